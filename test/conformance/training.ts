/**
 * Models trained by us and by torch with transformers, from the same initial weights on the same
 * batches of 8 rows of 128 tokens, without dropout: ESM-2 8M on the 10,000 proteins of
 * ../shared/data/protein, a small Geneformer on the 500 cells of ../shared/data/geneformer.
 * SCDL_TRAINING_STEPS sets the number of steps of both.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ParquetFile } from "../../formats/parquet/parquet-file.ts";
import type { StoredTensor } from "../../formats/safetensors/tensor.ts";
import { writeSafetensors } from "../../formats/safetensors/write-safetensors.ts";
import type { DataModule } from "../../src/data/data-module.ts";
import { GeneTokenizer } from "../../src/gene-tokens/gene-tokenizer.ts";
import {
  type GeneformerBatch,
  GeneformerDataModule,
} from "../../src/gene-tokens/geneformer-data-module.ts";
import {
  Esm2,
  Geneformer,
  initialParameters,
  type TokenBatch,
  type TrainableModel,
} from "../../src/models/index.ts";
import { type Esm2Batch, Esm2DataModule } from "../../src/proteins/esm2-data-module.ts";
import { writeCheckpoint } from "../../src/train/checkpoints/checkpoint.ts";
import { openProteins } from "../../src/train/data/protein-data.ts";
import { cosineAnnealing, type Schedule, warmupAnnealDecayHold } from "../../src/train/schedule.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { writeGeneDataset } from "../helpers/gene-dataset.ts";
import { REPOSITORY_ROOT } from "../helpers/run-process.ts";
import { askOnce } from "./ask-once.ts";
import { type TestedExecutor, testedExecutors } from "./executors.ts";
import type { Tally } from "./tally.ts";

const DRIVER = fileURLToPath(new URL("./training_original.py", import.meta.url));
const STEPS = Number(process.env["SCDL_TRAINING_STEPS"] ?? 50);
const CELL_STEPS = Number(process.env["SCDL_TRAINING_STEPS"] ?? 30);
const SEED = 42;
const BATCH = 8;
const LENGTH = 128;

/** A run that both sides make. */
interface Run<B extends TokenBatch> {
  readonly name: string;
  /** Of transformers. */
  readonly theirs: "EsmForMaskedLM" | "BertForMaskedLM";
  readonly model: TrainableModel<B>;
  readonly steps: number;
  readonly betas: readonly [number, number];
  readonly schedule: Schedule;
  /** Calls `work` with the data, each time from the first batch. */
  withData<R>(work: (data: DataModule<B>) => Promise<R>): Promise<R>;
}

export async function checkTraining(
  tally: Tally,
  python: string,
  workspace: string,
): Promise<void> {
  const shared = process.env["SCDL_SHARED_DATA"] ?? resolve(REPOSITORY_ROOT, "../shared/data");
  const proteins = join(shared, "protein", "esm2_train.parquet");
  const cells = join(shared, "geneformer", "genecorpus500.parquet");
  mkdirSync(workspace, { recursive: true });
  const name = `training: ${STEPS} losses of ESM-2 8M as torch and transformers have them`;
  if (!existsSync(proteins)) tally.skip(name, `${proteins} is not there`);
  else await check(tally, python, join(workspace, "esm2"), proteinRun(name, proteins));
  const other = `training: ${CELL_STEPS} losses of a Geneformer as torch and transformers have them`;
  if (!existsSync(cells)) return tally.skip(other, `${cells} is not there`);
  const folder = join(workspace, "geneformer");
  await check(tally, python, folder, await cellRun(other, cells, join(folder, "cells")));
}

async function check<B extends TokenBatch>(
  tally: Tally,
  python: string,
  workspace: string,
  run: Run<B>,
): Promise<void> {
  mkdirSync(workspace, { recursive: true });
  const { model, steps, schedule, betas } = run;
  const start = join(workspace, "start");
  saveStart(start, model);
  const batches = join(workspace, "batches.safetensors");
  await saveBatches(run, batches);
  const answer = askOnce(python, DRIVER, {
    model: run.theirs,
    checkpoint: start,
    batches,
    betas,
    rates: Array.from({ length: steps }, (_, step) => schedule(step)),
    threads: 1,
  });
  for (const executor of testedExecutors(python)) {
    const [all, few] = executor.isSimulated === true ? [3, 2] : [steps, 10];
    await tally.check(`${run.name}, ${executor.name}`, async () => {
      const first = { ...run, steps: Math.min(all, steps) };
      const [theirs, ours] = await Promise.all([answer, losses(first, executor)]);
      return compared(ours, (theirs as readonly number[]).slice(0, first.steps), FLOAT32);
    });
    if (executor.isUsual) continue;
    await tally.check(`${run.name}, ${executor.name} with bfloat16`, async () => {
      const short = { ...run, steps: Math.min(few, steps) };
      const ours = await losses(short, executor, "bf16-mixed");
      return compared(ours, ((await answer) as readonly number[]).slice(0, short.steps), BFLOAT16);
    });
  }
}

/** Largest relative difference of the first loss, of the first 50, of the mean of the last. */
interface Limits {
  readonly first: number;
  readonly each: number;
  readonly drift: number;
}

const FLOAT32: Limits = { first: 1e-5, each: 1e-3, drift: 1e-2 };
const BFLOAT16: Limits = { first: 2e-2, each: 2e-2, drift: 2e-2 };

function proteinRun(name: string, path: string): Run<Esm2Batch> {
  return {
    name,
    theirs: "EsmForMaskedLM",
    model: new Esm2("8M"),
    steps: STEPS,
    betas: [0.9, 0.98],
    schedule: warmupAnnealDecayHold(4e-4, { warmupSteps: 20, maxSteps: 500, minLr: 0 }),
    async withData(work) {
      using proteins = await openProteins(path);
      await using data = new Esm2DataModule({
        train: proteins.train,
        maxSteps: STEPS,
        globalBatchSize: BATCH,
        maxSeqLength: LENGTH,
        seed: SEED,
      });
      return await work(data);
    },
  };
}

async function cellRun(name: string, path: string, folder: string): Promise<Run<GeneformerBatch>> {
  const medians = await writeRankedCells(path, folder);
  const tokenizer = GeneTokenizer.fromMediansAndGenes(medians);
  return {
    name,
    theirs: "BertForMaskedLM",
    model: new Geneformer({
      ...{ layout: "bert", layers: 3, hiddenSize: 128, heads: 4, intermediateSize: 256 },
      ...{ vocabSize: tokenizer.paddedVocabSize(), padId: tokenizer.padId, maxPositions: LENGTH },
      ...{ hiddenDropout: 0, attentionDropout: 0 },
    }),
    steps: CELL_STEPS,
    betas: [0.9, 0.999],
    schedule: cosineAnnealing(1e-3, {
      ...{ maxSteps: Math.max(100, CELL_STEPS), warmupSteps: 5, constantSteps: 5 },
    }),
    async withData(work) {
      const split = { trainDatasetPath: folder, valDatasetPath: folder, testDatasetPath: folder };
      await using data = new GeneformerDataModule({
        ...{ tokenizer, medians, ...split, randomTokenProb: 0.02 },
        ...{ maxSteps: CELL_STEPS, globalBatchSize: BATCH, seqLength: LENGTH, seed: SEED },
      });
      return await work(data);
    },
  };
}

/** Cells whose genes rank as the tokens of the file do, and medians of 1. */
async function writeRankedCells(path: string, folder: string): Promise<Map<string, number>> {
  const [data, indices, indptr]: [number[], number[], number[]] = [[], [], [0]];
  const file = ParquetFile.open(path);
  let most = 0;
  for await (const batch of file.batches()) {
    const lists = batch.getChild("input_ids");
    for (let row = 0; row < batch.numRows; row++) {
      const tokens = Array.from(lists?.get(row) as Iterable<number | bigint>, Number);
      const ranks = tokens.map((token, rank) => [token, tokens.length - rank] as const);
      for (const [token, value] of ranks.sort(([a], [b]) => a - b)) {
        indices.push(token);
        data.push(value);
        most = Math.max(most, token);
      }
      indptr.push(indices.length);
    }
  }
  const genes = Array.from({ length: most + 1 }, (_, token) => `ENSG${token}`);
  await writeGeneDataset(folder, { genes, data: Float32Array.from(data), indices, indptr });
  return new Map(genes.map((gene) => [gene, 1]));
}

function compared(
  ours: readonly number[],
  theirs: readonly number[],
  limits: Limits,
): string | string[] {
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
  const isNear = (errors[0] ?? 1) <= limits.first && worst <= limits.each && drift <= limits.drift;
  if (!isNear) problems.push(told);
  return problems.length > 0 ? problems : told;
}

async function losses<B extends TokenBatch>(
  run: Run<B>,
  { open }: TestedExecutor,
  precision: "32" | "bf16-mixed" = "32",
): Promise<number[]> {
  const found: number[] = [];
  const { model, betas, schedule, steps: maxSteps } = run;
  await using executor = await open({ precision });
  await run.withData(async (data) => {
    await using trainer = new Trainer<B>({
      ...{ model, data, executor, schedule, maxSteps, seed: SEED },
      optimizer: { kind: "adamw", betas, weightDecay: 0.01 },
      maxGradientNorm: 1,
      limitValBatches: 0,
      observer: { trained: ({ loss }) => found.push(loss) },
    });
    await trainer.fit();
  });
  return found;
}

function saveStart(path: string, model: TrainableModel<never>): void {
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

async function saveBatches<B extends TokenBatch>(run: Run<B>, file: string): Promise<void> {
  const { steps } = run;
  const size = BATCH * LENGTH;
  const [ids, labels] = [new Int32Array(steps * size), new Int32Array(steps * size)];
  const mask = new Uint8Array(steps * size);
  let at = 0;
  await run.withData(async (data) => {
    await data.setup("fit");
    for await (const batch of data.trainLoader()) {
      ids.set(batch.text, at);
      mask.set(batch.attentionMask, at);
      labels.set(
        batch.labels.map((label, i) => (batch.lossMask[i] === 0 ? -100 : label)),
        at,
      );
      at += size;
    }
  });
  const shape = [steps, BATCH, LENGTH];
  const tensors = new Map<string, StoredTensor>([
    ["input_ids", { dtype: "I32", shape, data: ids }],
    ["labels", { dtype: "I32", shape, data: labels }],
    ["attention_mask", { dtype: "U8", shape, data: mask }],
  ]);
  writeSafetensors(file, tensors);
}
