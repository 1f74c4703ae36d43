import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DataModule, type ResumableBatches } from "../../../src/data/data-module.ts";
import { Esm2, Geneformer } from "../../../src/models/index.ts";
import type { MaskedBatch } from "../../../src/models/token-batch.ts";
import { openExecutor } from "../../../src/tensor/index.ts";
import { CheckpointFiles } from "../../../src/train/checkpoints/checkpoint-files.ts";
import { findWeights } from "../../../src/train/checkpoints/training-weights.ts";
import { trainEsm2 } from "../../../src/train/runs/train-esm2.ts";
import { TrainingRun, type TrainingRunOptions } from "../../../src/train/runs/training-run.ts";
import { constantSchedule } from "../../../src/train/schedule.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import { type DigitBatch, DigitDataModule, DigitModel } from "./digits.fixture.ts";
import { errorOf, newFolder } from "./digits-run.fixture.ts";

/** The batches of a list, once. */
class ListLoader<B> implements ResumableBatches<B> {
  readonly #batches: readonly B[];
  #at = 0;

  constructor(batches: readonly B[]) {
    this.#batches = batches;
  }

  async *[Symbol.asyncIterator]() {
    for (const batch of this.#batches.slice(this.#at)) {
      this.#at++;
      yield batch;
    }
  }

  state() {
    return { at: this.#at };
  }

  loadState(state: unknown): void {
    this.#at = (state as { at: number }).at; // proof: of state()
  }

  async close(): Promise<void> {}
}

class ListDataModule<B> extends DataModule<B> {
  readonly #batches: readonly B[];

  constructor(batches: readonly B[]) {
    super();
    this.#batches = batches;
  }

  async setup(): Promise<void> {
    if (!this.has("train")) this.provide("train", new ListLoader(this.#batches));
  }
}

function tokens(length: number, label = 5): MaskedBatch {
  return {
    shape: [1, length],
    text: new Int32Array(length).fill(5),
    attentionMask: new Uint8Array(length).fill(1),
    labels: new Int32Array(length).fill(label),
    lossMask: new Uint8Array(length).fill(1),
  };
}

/** One good batch, then a bad one: what it throws, and the checkpoint of the good one. */
async function afterGood<B>(model: Esm2 | Geneformer, good: B, bad: B, executorName: string) {
  const checkpoints = new CheckpointFiles(newFolder());
  await using executor = await openExecutor(executorName, { threads: 1 });
  await using data = new ListDataModule([good, bad]);
  await using trainer = new Trainer<B>({
    model: model as never, // proof: batches are those of both models
    data,
    executor,
    optimizer: { kind: "adamw" },
    schedule: constantSchedule(1e-3),
    maxSteps: 2,
    saveEveryNSteps: 1,
    checkpoints,
  });
  const error = await errorOf(() => trainer.fit());
  expect(trainer.step).toBe(1);
  expect(checkpoints.newest()?.step).toBe(1);
  return error;
}

const SMALL = { layers: 1, hiddenSize: 8, heads: 2 };

test("a batch longer than the model's positions is refused; checkpoints stay", async () => {
  const model = new Geneformer({
    ...{ ...SMALL, intermediateSize: 8, vocabSize: 16, maxPositions: 8, padId: 2 },
  });
  expect(await afterGood(model, tokens(8), tokens(9), "reference")).toMatchObject({
    name: "IncompatibleError",
    message: expect.stringMatching(/9 .*8/),
  });
});

test.each(["reference", "onnx"])(
  "labels outside the vocabulary are refused by %s",
  async (executor) => {
    const model = new Esm2(SMALL);
    for (const label of [5000, -1]) {
      expect(await afterGood(model, tokens(8), tokens(8, label), executor)).toMatchObject({
        name: "InvalidArgumentError",
        message: expect.stringContaining(`input labels: ${label} at position 0 is outside [0, `),
        suggestions: ["check that the tokenizer's vocabulary is the model's"],
      });
    }
  },
);

test("data that end before the last step are an error with the checkpoint to go on from", async () => {
  const batch: DigitBatch = {
    ...{ shape: [1, 8], x: new Float32Array(8), labels: new Int32Array(1) },
    ...{ epoch: 0, batch: 0, rows: new Float64Array(1), padding: 0 },
  };
  const checkpoints = new CheckpointFiles(newFolder());
  await using executor = await openExecutor("reference");
  await using trainer = new Trainer<DigitBatch>({
    ...{ model: new DigitModel(), data: new ListDataModule([batch, batch]), executor, checkpoints },
    ...{ optimizer: { kind: "sgd" }, schedule: constantSchedule(0.1), maxSteps: 5 },
    saveEveryNSteps: 1,
  });
  expect(await errorOf(() => trainer.fit())).toMatchObject({
    name: "TrainingError",
    code: "data-ended",
    step: 2,
    checkpoint: checkpoints.newest()?.path,
    suggestions: [`go on from ${checkpoints.newest()?.path}`],
  });
});

/** A run in a folder, of the digit model. */
async function runIn(resultDir: string, options: TrainingRunOptions<DigitBatch>, broken?: number) {
  const training = new TrainingRun<DigitBatch>(
    { executor: "reference", resultDir, ...options },
    "run",
  );
  const digits = { maxSteps: 12, globalBatchSize: 8 };
  await using data = new DigitDataModule({
    ...digits,
    ...(broken === undefined ? {} : { broken }),
  });
  return await training.fit({
    ...{ model: new DigitModel(), data, schedule: constantSchedule(1e-2), maxSteps: 12 },
    ...{ microBatchSize: 4, betas: [0.9, 0.999] as const },
  });
}

test("an unknown executor is told with those there are, and no folder is made", async () => {
  const folder = newFolder();
  expect(await errorOf(() => runIn(folder, { executor: "cuda" }))).toMatchObject({
    name: "NotFoundError",
    code: "executor-unknown",
    message: expect.stringContaining("there is no executor cuda"),
    available: expect.arrayContaining(["onnx", "reference"]),
    suggestions: [expect.stringContaining("scdl devices")],
  });
  expect(existsSync(folder)).toBe(false);
});

test("more threads than a machine can use are refused before any starts", async () => {
  expect(await errorOf(() => openExecutor("onnx", { threads: 100_000 }))).toMatchObject({
    name: "InvalidArgumentError",
    message: expect.stringMatching(
      /^threads: expected a whole number from 1 to \d+, found 100000$/,
    ),
    suggestions: [expect.stringContaining("as many as this machine has processors")],
  });
});

test.each([
  ["e/nothere", "e/nothere: expected a checkpoint, there is none"],
  ["package.json5", "package.json5: expected a checkpoint, there is none"],
  ["LICENSE", "LICENSE: expected a checkpoint, found a file"],
])("%s is no checkpoint", (path, message) => {
  expect(() => findWeights(path)).toThrow(
    expect.objectContaining({
      message,
      suggestions: [expect.stringContaining("name a run's folder")],
    }),
  );
});

test("ESM-2 without data is told what to give, and no folder is made", async () => {
  const resultDir = newFolder();
  expect(await errorOf(() => trainEsm2({ resultDir }))).toMatchObject({
    message: expect.stringMatching(/^there are no proteins to train on/),
    suggestions: [expect.stringContaining("--data "), expect.stringContaining("--train-cluster")],
  });
  expect(existsSync(resultDir)).toBe(false);
});

test.each(["tensorModelParallelSize", "pipelineModelParallelSize"] as const)(
  "%s other than 1 is refused, and no folder is made",
  async (name) => {
    const folder = newFolder();
    expect(await errorOf(() => runIn(folder, { [name]: 2 }))).toMatchObject({
      name: "UnsupportedFeatureError",
      message: expect.stringMatching(new RegExp(`^${name} is 2: `)),
    });
    expect(existsSync(folder)).toBe(false);
  },
);

test.each(["devices", "numNodes"] as const)(
  "%s other than the processes that were started are refused, with what keeps the global batch",
  async (name) => {
    const folder = newFolder();
    const options = { [name]: 8, accumulateGradBatches: 2 };
    expect(await errorOf(() => runIn(folder, options))).toMatchObject({
      name: "InvalidArgumentError",
      message: expect.stringMatching(/: 8 processes, but this process is alone$/),
      suggestions: [
        "mpirun -n 8 scdl train ...",
        expect.stringContaining("torchrun --no-python"),
        `in one process: ${name} 1 and accumulateGradBatches 16 keep the global batch`,
      ],
    });
    expect(existsSync(folder)).toBe(false);
  },
);

test("a run has a report, also when it is stopped or ends by an error", async () => {
  const folder = newFolder();
  const stop = new AbortController();
  const observer = { trained: ({ step }: { step: number }) => step === 3 && stop.abort() };
  const options = { resumeIfExists: true, logEveryNSteps: 1, valCheckInterval: 4 };
  const report = () => readFileSync(join(folder, "run", "report.html"), "utf8");
  const stopped = await runIn(folder, { ...options, observer, signal: stop.signal });
  expect(stopped.report).toBe(join(folder, "run", "report.html"));
  expect(report()).toContain("Stopped after step 3; it can be gone on with.");
  const error = await errorOf(() => runIn(folder, options, 10));
  expect(error).toMatchObject({
    code: "loss-not-finite",
    suggestions: expect.arrayContaining([
      expect.stringMatching(/--lr.*--warmup-steps.*--clip-grad/),
    ]),
  });
  expect(report()).toContain(`Ended by an error: ${(error as Error).message}`);
  await runIn(folder, options);
  expect(report()).toContain("Ended after its 12 steps.");
  expect(report()).toMatch(/<th scope="row">reduced_train_loss<\/th><td>\d\.\d+ \(step 12\)<\/td>/);
  expect(readdirSync(join(folder, "run")).sort((a, b) => (a < b ? -1 : 1))).toEqual([
    "checkpoints",
    "metrics.jsonl",
    "report.html",
  ]);
});

test("a schedule that gives no rate is told of with its step; the steps before it stay", async () => {
  for (const rate of [Number.NaN, -0.1, Number.POSITIVE_INFINITY]) {
    await using executor = await openExecutor("reference");
    await using data = new DigitDataModule({ maxSteps: 8 });
    const schedule = (step: number) => (step === 5 ? rate : 0.05);
    const options = { model: new DigitModel(), executor, data, maxSteps: 8, schedule };
    await using trainer = new Trainer({ ...options, optimizer: { kind: "adamw" } });
    expect(await errorOf(() => trainer.fit())).toMatchObject({
      name: "InvalidArgumentError",
      argument: "schedule",
      message: `the schedule gave ${rate} as the learning rate of step 6, expected a finite number of at least 0`,
    });
    expect(trainer.step).toBe(5);
  }
});

test("an optimizer with numbers out of range is refused before data are read", async () => {
  await using executor = await openExecutor("reference");
  await using data = new DigitDataModule({ maxSteps: 8 });
  const options = { model: new DigitModel(), executor, data, maxSteps: 8, schedule: () => 0.1 };
  const make = () => new Trainer({ ...options, optimizer: { kind: "adam", betas: [1, 0.9] } });
  expect(make).toThrow("betas is [1, 0.9], expected two numbers of at least 0 and less than 1");
});
