/**
 * Memory that does not suffice: full.ts DEVICE FOLDER. An allocation of 64 TiB in a run; batches that grow
 * until a GPU is full, with the peaks of those that fit; a training run whose validation does not fit.
 * Prints after each what it said, and whether work goes on after it.
 */
import { isScdlError } from "../../../formats/common/errors.ts";
import { type BatchSize, type BuildMode, Esm2 } from "../../../src/models/index.ts";
import {
  add,
  collectPeakMemory,
  matmul,
  openDevice,
  ProgramBuilder,
  sum,
} from "../../../src/tensor/index.ts";
import {
  GRADIENT_SEED,
  ModelPrograms,
  parameterValues,
} from "../../../src/train/model-programs.ts";
import { newBatches } from "./batches.ts";
import { shortModel, shortRun } from "./short-run.ts";
import { quickParameters } from "./weights.ts";

const [device = "torch-cpu", folder = "full"] = process.argv.slice(2);
const isLarge = device.startsWith("cuda");
/** Rows of a batch that no GPU has the memory for; a CPU is not filled. */
const MOST_ROWS = isLarge ? 16_384 : 64;
const LENGTH = isLarge ? 1024 : 64;
const told: Record<string, unknown> = {};

/** Its validation multiplies vectors to a matrix of 64 TiB. */
class LargeEsm2 extends Esm2 {
  override build(builder: ProgramBuilder, size: BatchSize, mode: BuildMode) {
    const { loss, outputs } = super.build(builder, size, mode);
    if (mode === "train" || loss === null) return { loss, outputs };
    return { loss: add(loss, outer(builder)), outputs };
  }
}

await tell("absurd", absurd);
await tell("peaks", peaks);
await tell("training", training);

async function tell(name: string, work: () => Promise<unknown>): Promise<void> {
  try {
    told[name] = await work();
  } catch (error) {
    told[name] = { error: error instanceof Error ? error.message : String(error) };
  }
  console.log(JSON.stringify(told));
}

/** What an error of the memory says; undefined for none. */
function said(error: unknown): object | undefined {
  if (!(error instanceof Error)) return undefined;
  const isTyped = isScdlError(error, "out-of-memory");
  const saysBytes = /asked for .*, .* free/.test(error.message);
  return { isTyped, saysBytes, message: error.message.slice(0, 300) };
}

function outer(builder: ProgramBuilder) {
  const x = builder.constant("float32", [2 ** 22, 1], new Float32Array(2 ** 22));
  return sum(matmul(x, x, { transposeB: true }));
}

async function absurd(): Promise<unknown> {
  await using executor = await openDevice(device, { countMemory: true });
  await using state = await executor.createState([]);
  const builder = new ProgramBuilder();
  builder.output("sum", outer(builder));
  const executable = await executor.compile(builder.build());
  const before = await executor.takeMemoryUse?.();
  const error: unknown = await state.run(executable, {}).catch((thrown: unknown) => thrown);
  const after = await executor.takeMemoryUse?.();
  // The constant of 16 MiB stays with its program.
  const left = ((after?.allocatedBytes ?? Number.NaN) - (before?.allocatedBytes ?? 0)) / 2 ** 20;
  return { ...said(error), leftMiB: Math.round(left) };
}

/** Training steps of 8M, twice the rows each time. */
async function peaks(): Promise<unknown> {
  const model = isLarge ? new Esm2("8M") : shortModel(false);
  await using executor = await openDevice(device, { precision: "bf16-mixed", countMemory: true });
  await using state = await executor.createState(parameterValues(model));
  await state.write("values", quickParameters(model.parameters));
  const programs = new ModelPrograms(model);
  const step = async (rows: number) => {
    const [batch] = newBatches(null, [rows, LENGTH], 24, 1);
    if (batch === undefined) throw new Error("there is no batch");
    const size = model.sizeOf(batch);
    const seed = { [GRADIENT_SEED]: Float32Array.of(1 / model.lossCount(batch)) };
    await state.zeroGradients();
    const executable = await executor.compile(programs.get(size, "train"));
    await state.run(executable, { ...model.inputs(batch, size, "train"), ...seed });
    await state.update({ kind: "adamw" }, { step: 1, learningRate: 0, maxGradientNorm: 1 });
    return rows;
  };
  await step(1);
  const sizes: number[] = [];
  for (let rows = 2; rows <= MOST_ROWS; rows *= 2) sizes.push(rows);
  let error: unknown;
  const skipped: number[] = [];
  const until = async function* () {
    for (const rows of sizes) if (skipped.length === 0) yield rows;
  };
  const onSkipped = (rows: number, thrown: unknown) => {
    skipped.push(rows);
    error = thrown;
  };
  const found = await collectPeakMemory(until(), step, { executor, onSkipped });
  const again = await collectPeakMemory([2], step, { executor });
  const mib = found.peakBytes.map((bytes) => Math.round(bytes / 2 ** 20));
  // The step of two rows takes what it took before the device was full.
  const grown = (again.peakBytes[0] ?? Number.NaN) / (found.peakBytes[0] ?? Number.NaN) - 1;
  return {
    rows: found.features,
    mib,
    linear: apartFromLine(found),
    skipped,
    ...said(error),
    grown,
  };
}

/** The largest relative distance from the line through the two largest. */
function apartFromLine(found: {
  readonly features: readonly number[];
  readonly peakBytes: readonly number[];
}): number | null {
  const { features: x, peakBytes: y } = found;
  const [a, b] = [x.length - 2, x.length - 1];
  if (a < 1) return null;
  const at = (values: readonly number[], index: number) => values[index] ?? Number.NaN;
  const slope = (at(y, b) - at(y, a)) / (at(x, b) - at(x, a));
  const apart = x.map((rows, index) => {
    return Math.abs((at(y, b) + slope * (rows - at(x, b))) / at(y, index) - 1);
  });
  return Math.max(...apart);
}

async function training(): Promise<unknown> {
  const { settings } = shortModel(isLarge);
  const run = { device, isLarge, folder, steps: 8, validates: true };
  const model = new LargeEsm2(settings);
  const whole = { ...run, model: new Esm2(settings) };
  const first = await shortRun({ ...whole, stopAt: 2 });
  const error = await shortRun({ ...run, model }).catch((thrown: unknown) => thrown);
  const checkpoint = error instanceof Error && "checkpoint" in error ? error.checkpoint : null;
  const after = await shortRun(whole);
  const goesOn = checkpoint === first.checkpoint && after.losses.length === 6;
  return { ...said(error), checkpoint, goesOn };
}
