/** A model and data of a test's own: two layers with dropout learn a rule of eight numbers. */
import { DataModule, type Stage } from "../../../src/data/data-module.ts";
import { type ItemBatchInfo, ItemLoader } from "../../../src/data/item-loader.ts";
import { evaluationOrder, trainingOrder } from "../../../src/data/run-orders.ts";
import type { BatchSize, BuildMode, TrainableModel } from "../../../src/models/index.ts";
import { defaultRng } from "../../../src/random/numpy-generator.ts";
import type { EpochIndex } from "../../../src/sampling/multi-epoch-dataset.ts";
import {
  argmax,
  cast,
  crossEntropy,
  dropout,
  equal,
  linear,
  type ProgramBuilder,
  relu,
  sum,
} from "../../../src/tensor/index.ts";

export interface DigitBatch extends ItemBatchInfo {
  readonly shape: readonly [number, number];
  readonly x: Float32Array;
  readonly labels: Int32Array;
}

const WIDTH = 8;
const CLASSES = 3;

/** x: noise of (epoch, idx); the class: the largest of the first three. */
function item({ epoch, idx }: EpochIndex) {
  const x = new Float32Array(WIDTH);
  defaultRng([7, epoch, idx]).fillRandom(x);
  const label = [0, 1, 2].sort((a, b) => (x[b] ?? 0) - (x[a] ?? 0))[0] ?? 0;
  return { x, label };
}

export interface DigitOptions {
  readonly maxSteps: number;
  readonly globalBatchSize?: number;
  readonly items?: number;
  readonly prefetch?: number;
  /** Rows of this item hold NaN. */
  readonly broken?: number;
  /** The same of validation. */
  readonly brokenVal?: number;
  readonly valid?: boolean;
  readonly rank?: number;
  readonly worldSize?: number;
}

export class DigitDataModule extends DataModule<DigitBatch> {
  readonly #options: DigitOptions;

  constructor(options: DigitOptions) {
    super();
    this.#options = options;
  }

  async setup(_stage: Stage): Promise<void> {
    const { maxSteps, globalBatchSize = 6, items = 40, valid = true } = this.#options;
    if (!this.has("train")) {
      const order = trainingOrder(items, maxSteps, globalBatchSize, 42);
      this.provide("train", this.#load(order, items, this.#options.broken));
    }
    if (!valid || this.has("val")) return;
    const order = evaluationOrder(20, { limit: null, globalBatchSize, stage: "val" });
    this.provide("val", this.#load(order, 20, this.#options.brokenVal ?? this.#options.broken));
  }

  #load(order: ReturnType<typeof trainingOrder>, length: number, broken?: number) {
    const { globalBatchSize = 6, prefetch = 1, rank, worldSize } = this.#options;
    return new ItemLoader<ReturnType<typeof item>, DigitBatch>({ length, at: item }, order, {
      globalBatchSize,
      prefetch,
      rank,
      worldSize,
      collate: (items, info) => {
        const x = Float32Array.from(items.flatMap((one) => [...one.x]));
        const at = info.rows.indexOf(broken ?? -1);
        if (at >= 0) x[at * WIDTH] = Number.NaN;
        const labels = Int32Array.from(items, ({ label }) => label);
        return { ...info, shape: [items.length, WIDTH] as const, x, labels };
      },
    });
  }
}

export class DigitModel implements TrainableModel<DigitBatch> {
  readonly name = "digits";
  readonly config = { width: WIDTH };
  readonly hidden: number;
  readonly dropout: number;

  constructor({ hidden = 5, dropout = 0.2 } = {}) {
    this.hidden = hidden;
    this.dropout = dropout;
  }

  get parameters() {
    const normal = { kind: "normal", std: 0.5 } as const;
    const zeros = { kind: "zeros" } as const;
    return [
      { name: "a.weight", shape: [this.hidden, WIDTH], init: normal, decay: true, trained: true },
      { name: "a.bias", shape: [this.hidden], init: zeros, decay: false, trained: true },
      { name: "b.weight", shape: [CLASSES, this.hidden], init: normal, decay: true, trained: true },
    ];
  }

  sizeOf({ shape: [batch, length] }: DigitBatch): BatchSize {
    return { batch, length };
  }

  build(builder: ProgramBuilder, { batch }: BatchSize, mode: BuildMode) {
    const x = builder.input("x", "float32", [batch, WIDTH]);
    const labels = builder.input("labels", "int32", [batch]);
    const [a, bias, b] = this.parameters.map(({ name, shape }) => builder.parameter(name, shape));
    if (a === undefined || b === undefined) throw new Error("no parameters");
    const hidden = relu(linear(x, a, bias));
    const logits = linear(mode === "train" ? dropout(hidden, this.dropout, 0) : hidden, b);
    const correct = sum(cast(equal(argmax(logits), labels), "float32"));
    const loss = crossEntropy(logits, labels).sum;
    return { loss, outputs: mode === "train" ? {} : { correct } };
  }

  inputs({ x, labels }: DigitBatch) {
    return { x, labels };
  }

  lossCount({ shape: [rows] }: DigitBatch): number {
    return rows;
  }

  reduce({ loss = 0, correct }: Readonly<Record<string, number>>, count: number) {
    return { loss: loss / count, ...(correct === undefined ? {} : { accuracy: correct / count }) };
  }
}
