/**
 * ESM-2 trained by us and by torch with transformers, from the same initial weights on the same
 * batches: 8M, 8 rows of 128 tokens of the 10,000 proteins of ../shared/data/protein, no dropout.
 * SCDL_TRAINING_STEPS sets the number of steps.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { StoredTensor } from "../../formats/safetensors/tensor.ts";
import { writeSafetensors } from "../../formats/safetensors/write-safetensors.ts";
import { Esm2, initialParameters } from "../../src/models/index.ts";
import { type Esm2Batch, Esm2DataModule } from "../../src/proteins/esm2-data-module.ts";
import { openExecutor } from "../../src/tensor/index.ts";
import { writeCheckpoint } from "../../src/train/checkpoint.ts";
import { openProteins } from "../../src/train/protein-data.ts";
import { warmupAnnealDecayHold } from "../../src/train/schedule.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { REPOSITORY_ROOT } from "../helpers/run-process.ts";
import { askOnce } from "./ask-once.ts";
import type { Tally } from "./tally.ts";

const DRIVER = fileURLToPath(new URL("./training_original.py", import.meta.url));
const STEPS = Number(process.env["SCDL_TRAINING_STEPS"] ?? 50);
const SEED = 42;
const BATCH = 8;
const LENGTH = 128;

export async function checkTraining(
  tally: Tally,
  python: string,
  workspace: string,
): Promise<void> {
  const shared = process.env["SCDL_SHARED_DATA"] ?? resolve(REPOSITORY_ROOT, "../shared/data");
  const path = join(shared, "protein", "esm2_train.parquet");
  const name = `training: ${STEPS} losses of ESM-2 8M as torch and transformers have them`;
  if (!existsSync(path)) return tally.skip(name, `${path} is not there`);
  mkdirSync(workspace, { recursive: true });
  await tally.check(name, async () => {
    const rates = Array.from({ length: STEPS }, (_, step) => schedule(step));
    const model = new Esm2("8M");
    const start = join(workspace, "start");
    saveStart(start, model);
    await saveBatches(path, join(workspace, "batches.safetensors"));
    const answer = askOnce(python, DRIVER, {
      checkpoint: start,
      batches: join(workspace, "batches.safetensors"),
      rates,
      threads: 1,
    });
    const [theirs, ours] = await Promise.all([answer, losses(path, model)]);
    return compared(ours, theirs as readonly number[]);
  });
}

function compared(ours: readonly number[], theirs: readonly number[]): string | string[] {
  const errors = ours.map((loss, i) => Math.abs(loss / (theirs[i] ?? Number.NaN) - 1));
  const worst = Math.max(...errors.slice(0, 50));
  const last = Math.min(20, ours.length);
  const tail = (losses: readonly number[]) => losses.slice(-last).reduce((a, b) => a + b, 0) / last;
  const drift = Math.abs(tail(ours) / tail(theirs) - 1);
  const told =
    `step 1 ${(errors[0] ?? Number.NaN).toExponential(1)}, first 50 ${worst.toExponential(1)}, ` +
    `all ${Math.max(...errors).toExponential(1)} relative; loss ${ours[0]?.toFixed(4)} to ` +
    `${ours.at(-1)?.toFixed(4)}, mean of the last ${last} ${tail(ours).toFixed(4)} and ${tail(theirs).toFixed(4)}`;
  const problems: string[] = [];
  if (theirs.length !== ours.length) problems.push(`${theirs.length} and ${ours.length} losses`);
  if (!((errors[0] ?? 1) <= 1e-5) || !(worst <= 1e-3) || !(drift <= 1e-2)) problems.push(told);
  return problems.length > 0 ? problems : told;
}

const schedule = warmupAnnealDecayHold(4e-4, { warmupSteps: 20, maxSteps: 500, minLr: 0 });

async function* batches(path: string): AsyncGenerator<Esm2Batch> {
  using proteins = await openProteins(path);
  await using data = dataOf(proteins.train);
  await data.setup("fit");
  yield* data.trainLoader();
}

function dataOf(train: ConstructorParameters<typeof Esm2DataModule>[0]["train"] & object) {
  return new Esm2DataModule({
    train,
    maxSteps: STEPS,
    globalBatchSize: BATCH,
    maxSeqLength: LENGTH,
    seed: SEED,
  });
}

async function losses(path: string, model: Esm2): Promise<number[]> {
  const found: number[] = [];
  using proteins = await openProteins(path);
  await using data = dataOf(proteins.train);
  await using executor = await openExecutor("onnx", { threads: 1 });
  await using trainer = new Trainer({
    model,
    data,
    executor,
    optimizer: { kind: "adamw", betas: [0.9, 0.98], weightDecay: 0.01 },
    schedule,
    maxSteps: STEPS,
    maxGradientNorm: 1,
    seed: SEED,
    observer: { trained: ({ loss }) => found.push(loss) },
  });
  await trainer.fit();
  return found;
}

function saveStart(path: string, model: Esm2): void {
  const weights = initialParameters(model.parameters, SEED);
  const tensors = model.parameters.map(({ name, shape }): [string, StoredTensor] => {
    return [name, { dtype: "F32", shape, data: weights.get(name) ?? new Float32Array() }];
  });
  writeCheckpoint(path, {
    model: new Map(tensors),
    optimizer: new Map(),
    modelConfig: model.config,
    trainer: {
      ...{ step: 0, epoch: 0, consumedSamples: 0 },
      ...{ metrics: {}, data: null, random: null, config: null, versions: {} },
    },
  });
}

async function saveBatches(path: string, file: string): Promise<void> {
  const size = BATCH * LENGTH;
  const [ids, labels] = [new Int32Array(STEPS * size), new Int32Array(STEPS * size)];
  const mask = new Uint8Array(STEPS * size);
  let at = 0;
  for await (const batch of batches(path)) {
    ids.set(batch.text, at);
    mask.set(batch.attentionMask, at);
    labels.set(
      batch.labels.map((label, i) => (batch.lossMask[i] === 0 ? -100 : label)),
      at,
    );
    at += size;
  }
  const shape = [STEPS, BATCH, LENGTH];
  const tensors = new Map<string, StoredTensor>([
    ["input_ids", { dtype: "I32", shape, data: ids }],
    ["labels", { dtype: "I32", shape, data: labels }],
    ["attention_mask", { dtype: "U8", shape, data: mask }],
  ]);
  writeSafetensors(file, tensors);
}
