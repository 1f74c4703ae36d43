/**
 * `finetuneEsm2()` and `finetuneGeneformer()` beside torch: small networks with every head, 20 updates
 * without dropout from the same weights, on the batches that our runs made. Losses within 1e-4, the
 * heads at the end within 1e-3 of how far they moved.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SafetensorsFile } from "../../formats/safetensors/safetensors-file.ts";
import { SafetensorsCheckpoint } from "../../formats/safetensors/shards.ts";
import type { StoredTensor } from "../../formats/safetensors/tensor.ts";
import { writeSafetensors } from "../../formats/safetensors/write-safetensors.ts";
import { writeGeneMedians } from "../../src/gene-tokens/gene-medians.ts";
import {
  Esm2,
  Geneformer,
  initialParameter,
  initialParameters,
  openBackbone,
  openModel,
  saveWeights,
} from "../../src/models/index.ts";
import type { FineTuneBatch } from "../../src/proteins/protein-collate.ts";
import { defaultRng } from "../../src/random/numpy-generator.ts";
import {
  finetuneEsm2,
  finetuneGeneformer,
  type HeadOptions,
  type TrainingRunOptions,
} from "../../src/train/index.ts";
import {
  constantSchedule,
  type Schedule,
  warmupAnnealDecayHold,
} from "../../src/train/schedule.ts";
import { writeGeneDataset } from "../helpers/gene-dataset.ts";
import { labelledProteins } from "../src/train/data/labelled-proteins.fixture.ts";
import { askOnce } from "./ask-once.ts";
import { testedExecutors } from "./executors.ts";
import type { Tally } from "./tally.ts";

const DRIVER = fileURLToPath(new URL("./finetuning_original.py", import.meta.url));
const STEPS = 20;
/** Always the same: where the input of a ReLU is next to 0, rounding decides, and some seeds meet that. */
const SEED = 5;
const RATE = 2e-3;
const HEAD_FACTOR = 4;
/** Of Adam: our defaults. */
const BETAS = [0.9, 0.98];
const WEIGHT_DECAY = 0.1;
/** Largest relative difference of any loss; that of a head, of how far it moved. */
const LIMITS = { loss: 1e-4, head: 1e-3 };

/** What all runs are given. */
type RunOptions = TrainingRunOptions<FineTuneBatch> & HeadOptions;

/** A run that both sides make. */
interface Case {
  readonly name: string;
  readonly kind: "esm" | "bert";
  /** The weights to begin with. */
  readonly folder: string;
  readonly task: "regression" | "classification" | "token-classification";
  readonly schedule: Schedule;
  readonly headFactor: number;
  readonly frozen: boolean;
  run(options: RunOptions): Promise<{ readonly checkpoint: string | null }>;
}

/** What came of one of ours. */
interface Tuned {
  readonly losses: readonly number[];
  readonly batches: ReadonlyMap<string, StoredTensor>;
  readonly checkpoint: string;
}

export async function checkFinetuning(
  tally: Tally,
  python: string,
  workspace: string,
): Promise<void> {
  const cases = await prepare(workspace);
  const [usual, ...others] = testedExecutors(python);
  const requests: object[] = [];
  const ours: Tuned[] = [];
  for (const [at, one] of cases.entries()) {
    const tuned = await tune(one, { ...usual?.device, resultDir: join(workspace, `onnx-${at}`) });
    requests.push(request(one, tuned, workspace, at));
    ours.push(tuned);
  }
  const answer = askOnce(python, DRIVER, requests) as Promise<readonly (readonly number[])[]>;
  answer.catch(() => {});
  for (const [at, one] of cases.entries()) {
    const compared = async (tuned: Tuned | undefined) => {
      const theirs = (await answer)[at];
      return differences(tuned, theirs, startOf(workspace, at), headOf(workspace, at));
    };
    const name = `fine-tuning: ${STEPS} losses and the head, ${one.name}`;
    await tally.check(`${name}, onnx`, () => compared(ours[at]));
    for (const { name: executor, device } of others) {
      if (device === undefined) continue;
      const resultDir = join(workspace, `${executor.replaceAll(" ", "-")}-${at}`);
      await tally.check(`${name}, ${executor}`, async () =>
        compared(await tune(one, { ...device, resultDir })),
      );
    }
  }
}

async function prepare(workspace: string): Promise<readonly Case[]> {
  const size = { layers: 2, hiddenSize: 64, heads: 4, intermediateSize: 96 };
  const still = { hiddenDropout: 0, attentionDropout: 0, initialStd: 0.1 };
  const save = (model: Esm2 | Geneformer, name: string) => {
    saveWeights(model, initialParameters(model.parameters, SEED), join(workspace, name));
    return join(workspace, name);
  };
  mkdirSync(workspace, { recursive: true });
  const { train } = labelledProteins(workspace);
  const dataDir = join(workspace, "cells");
  await writeCells(dataDir);
  const esm = save(new Esm2({ ...size, ...still }), "esm");
  const cells = {
    ...size,
    ...still,
    layout: "bert",
    vocabSize: 64,
    padId: 2,
    maxPositions: 64,
  } as const;
  // The mean over a cell's genes, and over [CLS] and [SEP], too.
  const inner = save(new Geneformer({ ...cells, specialTokens: true }), "inner");
  const whole = save(new Geneformer({ ...cells, specialTokens: false }), "whole");
  const plain = { schedule: constantSchedule(RATE), headFactor: 1, frozen: false };
  const warm = warmupAnnealDecayHold(RATE, { warmupSteps: 5, maxSteps: STEPS, minLr: 0 });
  const ofProteins = (task: Case["task"], labelColumn: string, more: Partial<Case> = {}): Case => ({
    ...{ name: `ESM-2, ${task}`, kind: "esm", folder: esm, task, ...plain, ...more },
    run: (options) =>
      finetuneEsm2({
        ...options,
        ...{ restoreFromCheckpointPath: esm, trainDataPath: train, labelColumn, taskType: task },
        ...{ lr: RATE, numSteps: STEPS, minSeqLength: 96, maxSeqLength: 96 },
        ...(more.schedule === undefined
          ? {}
          : { lrScheduler: "warmup_anneal", warmupSteps: 5, minLr: 0 }),
      }),
  });
  const ofCells = (task: "regression" | "classification", label: string, folder: string): Case => ({
    ...{ name: `Geneformer, ${task}`, kind: "bert", folder, task, ...plain },
    run: (options) =>
      finetuneGeneformer({
        ...options,
        ...{ restoreFromCheckpointPath: folder, dataDir, label, taskType: task },
        ...{ lr: RATE, numSteps: STEPS, microBatchSize: 8 },
      }),
  });
  return [
    ofProteins("regression", "share"),
    ofProteins("regression", "share", { name: "ESM-2 frozen, regression", frozen: true }),
    ofProteins("classification", "kind", { headFactor: HEAD_FACTOR }),
    ofProteins("token-classification", "groups", { schedule: warm }),
    ofCells("regression", "age", inner),
    ofCells("classification", "kind", whole),
  ];
}

/** Cells of 4 to 50 genes, each with a number and a class. */
async function writeCells(folder: string): Promise<void> {
  const rng = defaultRng(SEED);
  const genes = Array.from({ length: 50 }, (_, i) => `ENSG${i}`);
  const [data, indices, indptr]: [number[], number[], number[]] = [[], [], [0]];
  for (let cell = 0; cell < 48; cell++) {
    const share = rng.random() * 0.7 + 0.1;
    for (const gene of genes.keys()) {
      if (gene >= 4 && rng.random() > share) continue;
      indices.push(gene);
      data.push(1 + rng.random());
    }
    indptr.push(indices.length);
  }
  const age = Float32Array.from({ length: 48 }, () => rng.random() * 4 - 1);
  const kind = Array.from(age, (years) => (years < 0 ? "T" : years < 1.5 ? "B" : "NK"));
  const content = { genes, data: Float32Array.from(data), indices, indptr, obs: { age, kind } };
  await writeGeneDataset(join(folder, "train"), content);
  writeGeneMedians(join(folder, "train", "medians.json"), new Map(genes.map((gene) => [gene, 1])));
}

async function tune(one: Case, where: RunOptions): Promise<Tuned> {
  const losses: number[] = [];
  const batches = new Map<string, StoredTensor>();
  const { checkpoint } = await one.run({
    ...where,
    ...{ mlpFtDropout: 0, cnnDropout: 0, mlpHiddenSize: 32, cnnHiddenSize: 16 },
    ...{ encoderFrozen: one.frozen, weightDecay: WEIGHT_DECAY, accumulateGradBatches: 2 },
    ...(one.headFactor === 1 ? {} : { scaleLrLayer: "_head.", lrMultiplier: one.headFactor }),
    ...{ seed: SEED, threads: 1, logEveryNSteps: STEPS, limitValBatches: 0 },
    observer: {
      trained: ({ step, loss, batch }) => {
        losses.push(loss);
        for (const [name, tensor] of tensorsOf(batch)) batches.set(`${step - 1}.${name}`, tensor);
      },
    },
  });
  return { losses, batches, checkpoint: checkpoint ?? "none" };
}

/** Copies: the loader takes the memory of a batch back. */
function tensorsOf({ text, attentionMask, labels, lossMask, shape }: FineTuneBatch) {
  const isPerToken = labels.length === text.length;
  const tensors: [string, StoredTensor][] = [
    ["ids", { dtype: "I32", shape, data: text.slice() }],
    ["mask", { dtype: "U8", shape, data: attentionMask.slice() }],
    ["counted", { dtype: "U8", shape, data: lossMask.slice() }],
  ];
  const like = { shape: isPerToken ? shape : [labels.length] };
  const stored: StoredTensor =
    labels instanceof Float32Array
      ? { ...like, dtype: "F32", data: labels.slice() }
      : { ...like, dtype: "I32", data: labels.slice() };
  return [...tensors, ["labels", stored] as const];
}

const startOf = (workspace: string, at: number) => join(workspace, `head-${at}.safetensors`);
const headOf = (workspace: string, at: number) => join(workspace, `theirs-${at}.safetensors`);

/** The question to Python; the head as it began and the batches are files. */
function request(one: Case, tuned: Tuned, workspace: string, at: number): object {
  const { kind, folder, task, schedule, headFactor, frozen } = one;
  const { parameters } = openModel(tuned.checkpoint);
  const start = parameters.flatMap((spec): [string, StoredTensor][] => {
    const name = partOfHead(spec.name);
    if (name === null) return [];
    return [[name, { dtype: "F32", shape: spec.shape, data: initialParameter(spec, SEED) }]];
  });
  const batches = join(workspace, `batches-${at}.safetensors`);
  writeSafetensors(startOf(workspace, at), new Map(start));
  writeSafetensors(batches, tuned.batches);
  const { settings } = openBackbone(folder);
  return {
    ...{ kind, folder, task, batches, betas: BETAS, frozen, head: startOf(workspace, at) },
    has_ends: !("specialTokens" in settings) || settings.specialTokens,
    rates: Array.from({ length: STEPS }, (_, step) => schedule(step)),
    ...{ head_factor: headFactor, weight_decay: WEIGHT_DECAY, output: headOf(workspace, at) },
  };
}

function differences(
  tuned: Tuned | undefined,
  theirs: readonly number[] = [],
  startFile: string,
  headFile: string,
): string | string[] {
  const { losses = [], checkpoint = "none" } = tuned ?? {};
  const errors = theirs.map((loss, step) => Math.abs((losses[step] ?? Number.NaN) / loss - 1));
  using start = SafetensorsFile.open(startFile);
  using head = SafetensorsFile.open(headFile);
  using ours = SafetensorsCheckpoint.open(checkpoint);
  const heads = ours.names.filter((name) => partOfHead(name) !== null);
  const apart = heads.map((name) => {
    const part = partOfHead(name) ?? name;
    const [begin, wanted] = [start.readFloat32(part), head.readFloat32(part)];
    const found = ours.readFloat32(name);
    return distance(found, wanted) / distance(begin, wanted);
  });
  const [loss, weights] = [Math.max(...errors), Math.max(...apart)];
  const told =
    `losses ${loss.toExponential(1)}, head ${weights.toExponential(1)}; ` +
    `loss ${losses[0]?.toFixed(4)} to ${losses.at(-1)?.toFixed(4)}`;
  const isWhole = losses.length === STEPS && theirs.length === STEPS && heads.length === 4;
  if (isWhole && loss <= LIMITS.loss && weights <= LIMITS.head) return told;
  const step = errors.findIndex((error) => !(error <= LIMITS.loss));
  const counts = `${losses.length} and ${theirs.length} losses, ${heads.length} tensors of the head`;
  return [told, counts, step < 0 ? "no step is apart" : `step ${step + 1} is the first apart`];
}

/** The name of a parameter within its head; null for one of the network below. */
function partOfHead(name: string): string | null {
  return /^(?:regression|classification)_head\.(.*)$/.exec(name)?.[1] ?? null;
}

function distance(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - (b[i] ?? Number.NaN)) ** 2, 0));
}
