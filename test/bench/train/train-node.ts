/**
 * Full training steps, or inference, of a model on a device, that of SCDL_BENCH_DEVICE or `cpu`:
 * train-node.ts MODEL BATCH LENGTH STEPS train|infer all|loss. MODEL is as in train_step.py, whose
 * work this is; with "loss" the head is computed at loss positions alone, as the trainer asks for it.
 * Prints {"seconds": [...], "rssMiB": ...}.
 */
import {
  Esm2,
  type Esm2Size,
  Geneformer,
  initialParameters,
  type MaskedBatch,
  type TokenBatch,
  type TrainableModel,
} from "../../../src/models/index.ts";
import {
  type Executable,
  openDevice,
  ProgramBuilder,
  type RunInputs,
} from "../../../src/tensor/index.ts";
import {
  GRADIENT_SEED,
  ModelPrograms,
  parameterValues,
} from "../../../src/train/model-programs.ts";

const [name = "esm2-8M", ...rest] = process.argv.slice(2);
const [batch = 8, length = 128, steps = 8] = rest.slice(0, 3).map(Number);
const [mode = "train", head = "loss"] = rest.slice(3);
const PROTEINS = 64;
const isGenes = name === "geneformer-10M";
const model: TrainableModel<MaskedBatch> = isGenes
  ? new Geneformer("V1-10M")
  : new Esm2(name.slice("esm2-".length) as Esm2Size); // proof: the bench's names
const padId = isGenes ? 0 : 1;
const vocabulary = isGenes ? 25_426 : 24;
let state = 1;

function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}

/** Rows of random tokens, 15 % of them with labels. */
function tokens(lengths: readonly number[]): TokenBatch {
  const longest = Math.max(...lengths);
  const size = lengths.length * longest;
  const attentionMask = new Uint8Array(size);
  const text = new Int32Array(size).fill(padId);
  for (const [row, count] of lengths.entries()) {
    attentionMask.fill(1, row * longest, row * longest + count);
    for (let i = 0; i < count; i++)
      text[row * longest + i] = 4 + Math.floor(random() * (vocabulary - 4));
  }
  const lossMask = attentionMask.map((present) => (present === 1 && random() < 0.15 ? 1 : 0));
  return { text, attentionMask, lossMask, labels: text, shape: [lengths.length, longest] };
}

const device = process.env["SCDL_BENCH_DEVICE"] ?? "cpu";
await using executor = await openDevice(device, { threads: 2 });
await using weights = await executor.createState(parameterValues(model), {
  inferenceOnly: mode === "infer",
});
await weights.write("values", initialParameters(model.parameters, 0));
const work = mode === "infer" ? await inference() : await training();
const warm = 2;
const seconds: number[] = [];
for (let step = 1; step <= steps + warm; step++) {
  const begin = performance.now();
  await work(step);
  if (step > warm) seconds.push((performance.now() - begin) / 1000);
}
const rssMiB = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ seconds, rssMiB }));

async function training(): Promise<(step: number) => Promise<void>> {
  const data = tokens(new Array<number>(batch).fill(length));
  const size = head === "all" ? { batch, length } : model.sizeOf(data);
  const executable = await executor.compile(new ModelPrograms(model).get(size, "train"));
  const seed = Float32Array.of(1 / model.lossCount(data));
  const inputs = { ...model.inputs(data, size, "train"), [GRADIENT_SEED]: seed };
  const adam = { kind: "adamw", betas: [0.9, 0.98], weightDecay: 0.01 } as const;
  return async (step) => {
    await weights.zeroGradients();
    await weights.run(executable, inputs, { step });
    await weights.update(adam, { step, learningRate: 4e-4, maxGradientNorm: 1 });
  };
}

/** Proteins sorted by length, in batches that are padded to their longest. */
async function inference(): Promise<() => Promise<void>> {
  const runs: { readonly executable: Executable; readonly inputs: RunInputs }[] = [];
  for (let first = 0; first < PROTEINS; first += batch) {
    const lengths = Array.from({ length: batch }, (_, at) =>
      Math.floor(((first + at + 1) * length) / PROTEINS),
    );
    const data = tokens(lengths);
    const [rows, longest] = data.shape;
    const size = { batch: rows, length: longest };
    const builder = new ProgramBuilder();
    const { logits } = model.build(builder, size, "predict").outputs;
    if (logits === undefined) throw new Error("the model has no logits");
    builder.output("logits", logits);
    const executable = await executor.compile(builder.build());
    runs.push({ executable, inputs: model.inputs(data, size, "predict") });
  }
  return async () => {
    for (const { executable, inputs } of runs) await weights.run(executable, inputs);
  };
}
