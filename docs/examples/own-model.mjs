// A model of your own, in four stages as BioNeMo's MNIST example: pretrain, go on, add a head, drop
// the decoder. The digits are drawn here, with noise and at random places.
//
//     node docs/examples/own-model.mjs [STEPS]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { DataModule, defaultRng, ItemLoader, RunSampler, ShuffledSampler } from "scdl";
import {
  initialParameter,
  loadWeights,
  ParameterList,
  saveWeights,
  weightReportLines,
  weightsOf,
} from "scdl/models";
import {
  add,
  crossEntropy,
  linear,
  openExecutor,
  relu,
  reshape,
  scale,
  squaredError,
} from "scdl/tensor";
import { Trainer } from "scdl/train";

const SIDE = 28;
const PIXELS = SIDE * SIDE;
const STEPS = Number(argv[2] ?? 100);

/** Digits of 3 x 5 dots. */
const DOTS = [
  "111101101101111",
  "010110010010111",
  "111001111100111",
  "111001111001111",
  "101101111001001",
  "111100111001111",
  "111100111101111",
  "111001010010010",
  "111101111101111",
  "111101111001111",
];

/** A digit of 12 x 20 pixels at a random place, with noise: a pure function of the EpochIndex. */
const digits = {
  length: 2000,
  at({ epoch, idx }) {
    const random = defaultRng([42, epoch, idx]);
    const label = random.integer(0, 10);
    const [left, top] = [random.integer(4, 13), random.integer(2, 7)];
    const image = new Float32Array(PIXELS);
    for (let i = 0; i < PIXELS; i++) {
      const x = Math.floor(((i % SIDE) - left) / 4);
      const y = Math.floor((Math.floor(i / SIDE) - top) / 4);
      const isDot = x >= 0 && x < 3 && y >= 0 && y < 5 && DOTS[label][3 * y + x] === "1";
      image[i] = (isDot ? 0.8 : 0) + 0.2 * random.random();
    }
    return { image, label };
  },
};

class Digits extends DataModule {
  async setup() {
    const order = new RunSampler(new ShuffledSampler(digits.length, { seed: 44 }), 32 * STEPS);
    const collate = (items, info) => {
      const images = new Float32Array(items.length * PIXELS);
      for (const [i, { image }] of items.entries()) images.set(image, i * PIXELS);
      const labels = Int32Array.from(items, ({ label }) => label);
      return { ...info, shape: [items.length, PIXELS], images, labels };
    };
    this.provide("train", new ItemLoader(digits, order, { globalBatchSize: 32, collate }));
  }
}

/** A trunk 784 -> 64 -> 3, with a decoder 3 -> 64 -> 784, a classifier 3 -> 10, or both. */
class DigitModel {
  constructor({ decoder = false, classifier = false }) {
    this.name = "digits";
    this.config = { decoder, classifier };
    const list = new ParameterList({ std: 0.02 })
      .torchLinear("linear1", [64, PIXELS])
      .torchLinear("linear2", [3, 64]);
    if (decoder) list.torchLinear("linear3", [64, 3]).torchLinear("linear4", [PIXELS, 64]);
    if (classifier) list.torchLinear("digit_classifier", [10, 3]);
    this.parameters = list.specs;
  }

  sizeOf({ shape: [batch, length] }) {
    return { batch, length };
  }

  build(builder, { batch }) {
    const weights = weightsOf(builder, this.parameters);
    const layer = (name, x) => linear(x, weights(`${name}.weight`), weights(`${name}.bias`));
    const images = builder.input("images", "float32", [batch, PIXELS]);
    const z = layer("linear2", relu(layer("linear1", images)));
    const losses = [];
    if (this.config.decoder) {
      const drawn = layer("linear4", relu(layer("linear3", z)));
      losses.push(scale(squaredError(drawn, images), 1 / PIXELS));
    }
    if (this.config.classifier) {
      const labels = builder.input("labels", "int32", [batch]);
      losses.push(crossEntropy(reshape(layer("digit_classifier", z), [batch, 10]), labels).sum);
    }
    // Sums over the rows: the trainer divides by lossCount.
    return { loss: losses.reduce((a, b) => add(a, b)), outputs: {} };
  }

  inputs({ images, labels }) {
    return this.config.classifier ? { images, labels } : { images };
  }

  lossCount({ shape: [rows] }) {
    return rows;
  }

  reduce({ loss }, count) {
    return { loss: loss / count };
  }
}

const folder = mkdtempSync(join(tmpdir(), "digits-"));
await using executor = await openExecutor("onnx", { threads: 1 });

/** Trains a stage from the weights of the one before; returns where its own are. */
async function stage(name, heads, { from, skipPrefixes = [] } = {}) {
  const model = new DigitModel(heads);
  const initial = (spec) => initialParameter(spec, 42);
  const loaded = from === undefined ? null : loadWeights(model, from, initial, { skipPrefixes });
  for (const line of loaded === null ? [] : weightReportLines(loaded.report)) {
    stdout.write(`  ${line.replace(folder, "")}\n`);
  }
  const losses = [];
  await using data = new Digits();
  await using trainer = new Trainer({
    model,
    data,
    executor,
    optimizer: { kind: "adam" },
    schedule: () => 1e-3,
    maxSteps: STEPS,
    weights: loaded?.values ?? new Map(),
    observer: { trained: ({ loss }) => losses.push(loss) },
  });
  await trainer.fit();
  stdout.write(`${name}: loss ${losses[0].toFixed(4)} -> ${losses.at(-1).toFixed(4)}\n`);
  const own = join(folder, name);
  saveWeights(model, await trainer.weights(), own);
  return own;
}

const pretrained = await stage("pretrain", { decoder: true });
const continued = await stage("continue", { decoder: true }, { from: pretrained });
const both = await stage(
  "add-head",
  { decoder: true, classifier: true },
  { from: continued, skipPrefixes: ["digit_classifier"] },
);
await stage("drop-decoder", { classifier: true }, { from: both });
rmSync(folder, { recursive: true });
