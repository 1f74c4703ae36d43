import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openExecutor } from "../../../src/tensor/index.ts";
import { CheckpointFiles } from "../../../src/train/checkpoint-files.ts";
import type { Scalars } from "../../../src/train/loggers/logger.ts";
import { constantSchedule } from "../../../src/train/schedule.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import type { TrainerOptions, TrainStep } from "../../../src/train/trainer-options.ts";
import {
  type DigitBatch,
  DigitDataModule,
  DigitModel,
  type DigitOptions,
} from "./digits.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-trainer-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let runs = 0;
const newFolder = (): string => join(folder, `run-${runs++}`);

interface Run extends Partial<TrainerOptions<DigitBatch>> {
  readonly data?: never;
  readonly digits?: Omit<DigitOptions, "maxSteps">;
  readonly stopAt?: number;
}

/** A run with the reference executor, and everything it told. */
async function run({ digits, stopAt, ...options }: Run = {}) {
  const steps: TrainStep<DigitBatch>[] = [];
  const lines: [number, Scalars][] = [];
  const stop = new AbortController();
  const maxSteps = options.maxSteps ?? 12;
  await using executor = await openExecutor("reference");
  await using data = new DigitDataModule({ maxSteps, ...digits });
  await using trainer = new Trainer({
    model: new DigitModel(),
    executor,
    optimizer: { kind: "adamw" },
    schedule: (step) => 0.05 / (1 + step),
    maxSteps,
    logger: { log: (step, scalars) => lines.push([step, scalars]), close: () => {} },
    observer: {
      trained: (event) => {
        steps.push(event);
        if (event.step === stopAt) stop.abort();
      },
    },
    ...options,
    data,
  });
  const result = await trainer.fit({ signal: stop.signal });
  return { result, steps, lines, weights: await trainer.weights() };
}

async function errorOf(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

const losses = (steps: readonly TrainStep<DigitBatch>[]) => steps.map(({ loss }) => loss);

test("a run that was stopped at any step and goes on is the run that never stopped", async () => {
  const whole = await run({ valCheckInterval: 4 });
  expect(whole.result).toMatchObject({ step: 12, reason: "max-steps" });
  for (const stopAt of [1, 5, 8, 11]) {
    const checkpoints = new CheckpointFiles(newFolder());
    const stop = await run({ checkpoints, stopAt, valCheckInterval: 4 });
    expect(stop.result).toMatchObject({ step: stopAt, reason: "stopped" });
    const go = await run({ checkpoints, valCheckInterval: 4, digits: { prefetch: 3 } });
    expect(go.weights).toEqual(whole.weights);
    expect([...losses(stop.steps), ...losses(go.steps)]).toEqual(losses(whole.steps));
    expect(go.steps.at(-1)?.consumedSamples).toBe(72);
    expect(go.steps[0]?.batch.rows).toEqual(whole.steps[stopAt]?.batch.rows);
    expect(go.result.metrics["val_loss"]).toBe(whole.result.metrics["val_loss"]);
  }
});

test("the loss falls, and the model is better than chance", async () => {
  const { result, steps } = await run({
    maxSteps: 150,
    model: new DigitModel({ hidden: 16, dropout: 0 }),
    schedule: constantSchedule(0.02),
    digits: { globalBatchSize: 16 },
  });
  expect(steps[0]?.loss).toBeGreaterThan(1);
  expect(result.metrics["val_loss"]).toBeLessThan(0.4);
  expect(result.metrics["val_accuracy"]).toBeGreaterThan(0.8);
});

test("the division into micro-batches changes rounding alone", async () => {
  const model = new DigitModel({ dropout: 0 });
  const whole = await run({ model });
  for (const microBatchSize of [1, 4]) {
    const divided = await run({ model, microBatchSize });
    for (const [name, values] of whole.weights) {
      for (const [i, value] of (divided.weights.get(name) ?? []).entries()) {
        expect(Math.abs(value - (values[i] ?? Number.NaN))).toBeLessThan(2e-5);
      }
    }
  }
});

test("clipping limits the update, and the norm logged is the one before", async () => {
  const sgd = { kind: "sgd", weightDecay: 0 } as const;
  const options = { optimizer: sgd, maxSteps: 1, schedule: constantSchedule(1) };
  const before = await run({ ...options, schedule: constantSchedule(0) });
  const norm = before.steps[0]?.gradientNorm ?? 0;
  const { steps, weights } = await run({ ...options, maxGradientNorm: norm / 10 });
  expect(steps[0]?.gradientNorm).toBe(norm);
  let squares = 0;
  for (const [name, values] of weights) {
    values.forEach((value, i) => {
      squares += (value - (before.weights.get(name)?.[i] ?? 0)) ** 2;
    });
  }
  expect(Math.sqrt(squares)).toBeCloseTo(norm / 10, 5);
});

test("validation runs every n steps over the same batches, and at the end", async () => {
  const batches: [number, number[]][] = [];
  const observer = {
    validatedBatch: ({ step, batch }: { step: number; batch: DigitBatch }) => {
      batches.push([step, [...batch.rows]]);
    },
  };
  const { lines } = await run({ maxSteps: 5, valCheckInterval: 2, limitValBatches: 2, observer });
  const two = [
    [0, 1, 2, 3, 4, 5],
    [6, 7, 8, 9, 10, 11],
  ];
  expect(batches).toEqual([2, 4, 5].flatMap((step) => two.map((rows) => [step, rows])));
  const validations = lines.filter(([, scalars]) => "val_loss" in scalars);
  expect(validations.map(([step]) => step)).toEqual([2, 4, 5]);
  expect(Object.keys(validations[0]?.[1] ?? {})).toEqual(["val_loss", "val_accuracy"]);
});

test("loggers are told of every n-th step and the last", async () => {
  const { lines } = await run({ maxSteps: 7, logEveryNSteps: 3, limitValBatches: 0 });
  expect(lines.map(([step]) => step)).toEqual([3, 6, 7]);
  expect(Object.keys(lines[0]?.[1] ?? {})).toEqual([
    "reduced_train_loss",
    "lr",
    "grad_norm",
    "epoch",
    "consumed_samples",
    "tokens_per_second",
    "step_ms",
    "data_ms",
    "rss_mb",
  ]);
  expect(lines[0]?.[1]).toMatchObject({ lr: 0.05 / 3, consumed_samples: 18 });
});

test("checkpoints come every n steps; the best and the last are kept", async () => {
  const directory = newFolder();
  const checkpoints = new CheckpointFiles(directory, { saveTopK: 1 });
  const saved: number[] = [];
  const { result } = await run({
    checkpoints,
    valCheckInterval: 3,
    observer: { saved: ({ step }) => saved.push(step) },
  });
  expect(saved).toEqual([3, 6, 9, 12]);
  const names = readdirSync(directory).filter((name) => name.startsWith("step="));
  expect(names.length).toBeLessThanOrEqual(2);
  expect(result.checkpoint).toContain("step=000012-val_loss=");
});

test("a loss that is not finite names the step and keeps the last good checkpoint", async () => {
  const directory = newFolder();
  const checkpoints = new CheckpointFiles(directory, { saveTopK: -1 });
  const broken = { checkpoints, saveEveryNSteps: 2, limitValBatches: 0, digits: { broken: 10 } };
  const error = await errorOf(() => run(broken));
  expect(error).toMatchObject({ name: "TrainingError", code: "loss-not-finite" });
  const pattern = /^the loss of step \d+ is NaN: training stopped after step (\d+)$/;
  const step = Number(pattern.exec(String((error as Error).message))?.[1]);
  expect(step).toBeGreaterThan(1);
  const last = checkpoints.newest();
  expect(last?.step).toBe(step - (step % 2));
  expect(error).toMatchObject({ step, checkpoint: last?.path });
});

test("an infinite gradient stops before the weights change", async () => {
  const model = new DigitModel({ dropout: 0 });
  model.lossCount = () => 1e-300; // the gradient is divided by it
  const error = await errorOf(() => run({ model }));
  expect(error).toMatchObject({ code: "loss-not-finite", step: 0, checkpoint: null });
});

test("a checkpoint of another model, another seed or other data is refused", async () => {
  const checkpoints = new CheckpointFiles(newFolder());
  await run({ checkpoints, stopAt: 2 });
  const options = { checkpoints };
  const wide = await errorOf(() => run({ ...options, model: new DigitModel({ hidden: 6 }) }));
  expect(wide).toMatchObject({
    name: "IncompatibleError",
    code: "other-model",
    message: expect.stringContaining("a.weight is [5,8], that of the digits to train [6,8]"),
  });
  const seed = await errorOf(() => run({ ...options, seed: 1 }));
  expect(seed).toMatchObject({ name: "IncompatibleError", code: "other-seed" });
  const data = await errorOf(() => run({ ...options, digits: { items: 41 } }));
  expect(data).toMatchObject({ name: "IncompatibleError", code: "state-dataset" });
});

test("options are checked", async () => {
  expect(await errorOf(() => run({ maxSteps: 0 }))).toMatchObject({ argument: "maxSteps" });
  expect(await errorOf(() => run({ maxGradientNorm: -1 }))).toMatchObject({
    argument: "maxGradientNorm",
  });
  const typo = { seed: 1, maxGradintNorm: 1 };
  expect(await errorOf(() => run(typo))).toMatchObject({
    message: "Trainer has no option maxGradintNorm",
    suggestions: ["maxGradientNorm, if that is what maxGradintNorm should be"],
  });
});
