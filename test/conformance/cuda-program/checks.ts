/**
 * Training steps of small models by the calls that the executor `torch` makes on a GPU, against the
 * same steps on the CPU: losses, gradients, weights after two updates.
 */
import {
  type BatchSize,
  Esm2,
  Geneformer,
  initialParameters,
  type MaskedBatch,
  SequenceModel,
  TokenModel,
  type TrainableModel,
} from "../../../src/models/index.ts";
import type { Executor, RunInputs } from "../../../src/tensor/index.ts";
import { findLibtorch } from "../../../src/tensor/torch/find-libtorch.ts";
import { packBatch } from "../../../src/tokenize/pack-batch.ts";
import { GRADIENT_SEED, ModelPrograms } from "../../../src/train/model-programs.ts";
import { environmentOf, type TestedExecutor, testedExecutors } from "../executors.ts";
import type { Tally } from "../tally.ts";
import { checkLaunches } from "./launches.ts";

const VOCABULARY = 33;
const SIZE = { layers: 2, hiddenSize: 48, heads: 2, initialStd: 0.1 };
const DROPPED = { hiddenDropout: 0.1, attentionDropout: 0.1 };

interface Case {
  readonly name: string;
  readonly precisions: readonly Precision[];
  /** Masks as on the CPU, not drawn in kernels. */
  readonly deterministic?: boolean;
  readonly model: TrainableModel<never>;
  readonly size: BatchSize;
  readonly inputs: RunInputs;
}

/** The precisions, with the largest norm of a difference relative to that of a tensor. */
const LIMITS = { "32": 1e-5, "bf16-mixed": 8e-2, "16-mixed": 1e-2 } as const;
type Precision = keyof typeof LIMITS;

export async function checkCudaProgram(tally: Tally, python: string): Promise<void> {
  const executors = testedExecutors(python);
  const simulated = executors.find(({ isSimulated }) => isSimulated === true);
  const cpu = executors.find(({ name }) => name === "torch on cpu");
  if (simulated === undefined || cpu === undefined) {
    return tally.skip("torch's program for CUDA", "the executor torch runs on Linux");
  }
  for (const each of cases()) {
    for (const precision of each.precisions) {
      const what = `torch's program for CUDA: ${each.name}, precision ${precision}`;
      await tally.check(what, async () => {
        const expected = await steps(each, cpu, precision);
        return apart(await steps(each, simulated, precision), expected, LIMITS[precision]);
      });
    }
  }
  await checkLaunches(tally, python, findLibtorch(environmentOf(python)));
}

function cases(): readonly Case[] {
  const esm2 = new Esm2(SIZE);
  const cells = { ...SIZE, layout: "bert", vocabSize: VOCABULARY, maxPositions: 48 } as const;
  const padded = batchOf(randomRows([29, 18, 5]), 29);
  const full = batchOf(randomRows([16, 16]), 16);
  const [first] = [randomRows([21, 7, 12])];
  const packed = packBatch(first, { padToMultipleOf: 8 });
  const masked = (name: string, model: Esm2 | Geneformer, batch: MaskedBatch): Case => {
    const size = model.sizeOf(batch);
    const precisions = ["32", "bf16-mixed"] as const;
    return { name, precisions, model, size, inputs: model.inputs(batch, size, "train") };
  };
  const headed = (name: string, model: SequenceModel | TokenModel, labels: Int32Array): Case => {
    const batch = { ...padded, labels };
    const size = model.sizeOf(batch);
    const precisions = ["32"] as const;
    return { name, precisions, model, size, inputs: model.inputs(batch, size, "train") };
  };
  const classes = { task: "classification", targetSize: 4, headSize: 12 } as const;
  return [
    { ...masked("ESM-2, padded", esm2, padded), precisions: ["32", "bf16-mixed", "16-mixed"] },
    masked("Geneformer with dropout, full rows", new Geneformer({ ...cells, ...DROPPED }), full),
    masked("ESM-2, packed", esm2, packed),
    masked("ESM-2, packed, with dropout", new Esm2({ ...SIZE, ...DROPPED }), packed),
    masked("Geneformer with dropout, padded", new Geneformer({ ...cells, ...DROPPED }), padded),
    {
      ...masked("Geneformer, deterministic", new Geneformer({ ...cells, ...DROPPED }), padded),
      ...({ precisions: ["32"], deterministic: true } as const),
    },
    headed(
      "a head for classes with dropout",
      new SequenceModel(esm2, { ...classes, encoderFrozen: false }),
      Int32Array.of(0, 3, 1),
    ),
    headed(
      "a head for residues",
      new TokenModel(esm2),
      padded.labels.map((label) => label % 3),
    ),
  ];
}

/** Rows padded to a length. */
function batchOf(rows: ReturnType<typeof randomRows>, length: number) {
  const fill = (of: "text" | "labels" | "lossMask", value: number) =>
    rows.flatMap((row) => [...row[of], ...Array<number>(length - row.text.length).fill(value)]);
  return {
    text: Int32Array.from(fill("text", 1)),
    labels: Int32Array.from(fill("labels", 0)),
    lossMask: Uint8Array.from(fill("lossMask", 0)),
    attentionMask: Uint8Array.from(fill("text", -1), (token) => (token < 0 ? 0 : 1)),
    shape: [rows.length, length] as const,
  };
}

function randomRows(lengths: readonly number[]) {
  let state = 7;
  const next = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
  return lengths.map((length) => ({
    text: Int32Array.from({ length }, () => 4 + next(20)),
    labels: Int32Array.from({ length }, () => 4 + next(20)),
    lossMask: Uint8Array.from({ length }, (_, at) => (at === 0 || next(3) === 0 ? 1 : 0)),
  }));
}

/** Losses, gradients and values of two steps, by name. */
async function steps(
  { model, size, inputs, deterministic = false }: Case,
  { open }: TestedExecutor,
  precision: Precision,
): Promise<ReadonlyMap<string, Float32Array>> {
  await using executor: Executor = await open({ precision, deterministic });
  const program = new ModelPrograms(model).get(size, "train");
  await using state = await executor.createState(program.parameters);
  const values = initialParameters(model.parameters, 3);
  await state.write(
    "values",
    new Map(program.parameters.map(({ name }) => [name, values.get(name) ?? new Float32Array()])),
  );
  const executable = await executor.compile(program);
  const found = new Map<string, Float32Array>();
  for (const step of [1, 2]) {
    await state.zeroGradients();
    const fed = { ...inputs, [GRADIENT_SEED]: Float32Array.of(0.1) };
    const { loss } = await state.run(executable, fed, { seed: 5, step, microBatch: 1 });
    found.set(`loss of step ${step}`, loss as Float32Array); // proof: its dtype
    for (const [name, gradient] of await state.read("gradients")) {
      found.set(`gradient of ${name}, step ${step}`, gradient);
    }
    const rates = { learningRate: 1e-3, gradientFactor: 0.5, maxGradientNorm: 1 };
    // AdamW's updates are signs of gradients at first, also of those that are zero but for rounding.
    await state.update({ kind: "sgd", momentum: 0.9 }, { step, ...rates });
  }
  for (const [name, value] of await state.read("values")) found.set(name, value);
  return found;
}

function apart(
  found: ReadonlyMap<string, Float32Array>,
  expected: ReadonlyMap<string, Float32Array>,
  limit: number,
): string | string[] {
  const problems: string[] = [];
  let worst = 0;
  const isGradient = (name: string) => name.startsWith("gradient");
  // Gradients that are zero but for rounding count against the largest.
  const all = [...expected].filter(([name]) => isGradient(name)).map(([, data]) => norm(data));
  const least = Math.max(...all) / 30;
  for (const [name, data] of expected) {
    const other = found.get(name);
    const scale = Math.max(norm(data), isGradient(name) ? least : 1e-3);
    const difference = norm(data.map((x, at) => x - (other?.[at] ?? Number.NaN))) / scale;
    if (!(difference <= limit)) problems.push(`${name}: ${difference} relative`);
    worst = Math.max(worst, difference);
  }
  return problems.length > 0 ? problems : `${expected.size} tensors, ${worst.toExponential(1)}`;
}

function norm(data: Float32Array): number {
  return Math.sqrt(data.reduce((sum, x) => sum + x * x, 0));
}
