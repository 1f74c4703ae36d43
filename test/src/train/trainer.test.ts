import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { StorageError } from "../../../formats/common/errors.ts";
import { openExecutor } from "../../../src/tensor/index.ts";
import { CheckpointFiles } from "../../../src/train/checkpoints/checkpoint-files.ts";
import { constantSchedule } from "../../../src/train/schedule.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import type { TrainerOptions } from "../../../src/train/trainer-options.ts";
import type { TrainingError } from "../../../src/train/training-error.ts";
import { type DigitBatch, DigitDataModule, DigitModel } from "./digits.fixture.ts";
import { errorOf, losses, newFolder, run } from "./digits-run.fixture.ts";

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
  expect(Object.keys(validations[0]?.[1] ?? {})).toEqual([
    "val_loss",
    "val_accuracy",
    "validation_ms",
  ]);
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
    "padded_tokens_per_second",
    "step_ms",
    "data_ms",
    "rss_mb",
    "peak_rss_mb",
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

  // A checkpoint of the very weights that gave the loss may be as bad: the one before is named, too.
  const all = new CheckpointFiles(newFolder(), { saveTopK: -1 });
  const each = await errorOf(() => run({ ...broken, checkpoints: all, saveEveryNSteps: 1 }));
  const [before, newest] = all.list().slice(-2);
  expect(newest?.step).toBe(step);
  expect((each as TrainingError).suggestions).toContain(
    `if it is not the data, remove ${newest?.path}, and go on from ${before?.path}`,
  );
});

test("a disk that is full names the last whole checkpoint and how to go on", async () => {
  const checkpoints = new CheckpointFiles(newFolder());
  const full = (fullAt: number) => ({
    log: (step: number) => {
      if (step < fullAt) return;
      throw new StorageError("disk-full", "no space left on the device", {
        ...{ path: "metrics.jsonl", suggestions: ["free space and run again"] },
      });
    },
    close: () => {},
  });
  const options = { checkpoints, saveEveryNSteps: 2, limitValBatches: 0 };
  const first = await errorOf(() => run({ ...options, logger: full(1) }));
  const message = "metrics.jsonl: no space left on the device";
  expect(first).toMatchObject({ name: "StorageError", code: "disk-full", message });
  const tried = ["free space and run again", "no checkpoint was written"];
  expect(first).toMatchObject({ path: "metrics.jsonl", suggestions: tried });
  const later = await errorOf(() => run({ ...options, logger: full(5) }));
  const path = checkpoints.newest()?.path;
  expect(path).toMatch(/step=000004$/);
  const goOn = `go on from ${path}: the same command with --resume-if-exists`;
  expect(later).toMatchObject({ message, suggestions: ["free space and run again", goOn] });
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

test("micro-batches weigh by what they count, or alike as in Megatron", async () => {
  // 6 rows as 4 and 2: their sums are multiplied by 1/6 both, or by 1/8 and 1/4
  const model = new DigitModel({ dropout: 0 });
  const one = { model, maxSteps: 1, microBatchSize: 4 };
  const sums = async (lossReduction: TrainerOptions<DigitBatch>["lossReduction"]) => {
    const options = { optimizer: { kind: "sgd" }, schedule: constantSchedule(1) } as const;
    const given = lossReduction === undefined ? {} : { lossReduction };
    return (await run({ ...one, ...options, ...given })).weights.get("b.weight") ?? [];
  };
  const [global, megatron, own, asGlobal] = [
    await sums(undefined),
    await sums("micro-batch"),
    await sums(([a = 0, b = 0]) => [0.5 / a, 0.5 / b]),
    await sums(() => [1 / 6, 1 / 6]),
  ];
  expect(own).toEqual(megatron);
  expect(asGlobal).toEqual(global);
  expect(megatron).not.toEqual(global);
  const even = { ...one, microBatchSize: 3 };
  const alike = [await run(even), await run({ ...even, lossReduction: "micro-batch" })];
  expect(alike[1]?.weights).toEqual(alike[0]?.weights);
  const error = await errorOf(() => run({ ...one, lossReduction: () => [1] }));
  expect(error).toMatchObject({ argument: "lossReduction" });
});

test("a batch with nothing to count is an update with gradient 0: weights decay", async () => {
  const model = new DigitModel({ dropout: 0 });
  model.lossCount = () => 0;
  for (const lossReduction of ["global", "micro-batch"] as const) {
    const options = { model, maxSteps: 1, lossReduction, schedule: constantSchedule(0.5) };
    const kept = await run({ ...options, optimizer: { kind: "adamw", weightDecay: 0 } });
    const { steps, weights } = await run({
      ...options,
      optimizer: { kind: "adamw", weightDecay: 0.1 },
    });
    expect(steps[0]?.gradientNorm).toBe(0);
    for (const [name, values] of weights) {
      const left = name.endsWith("bias") ? 1 : 1 - 0.5 * 0.1;
      for (const [i, value] of values.entries()) {
        expect(value).toBeCloseTo((kept.weights.get(name)?.[i] ?? Number.NaN) * left, 6);
      }
    }
  }
});

test("tokens are those that the model counts, beside all with padding", async () => {
  const model = Object.assign(new DigitModel(), {
    tokenCount: ({ shape: [rows] }: DigitBatch) => rows * 3,
  });
  const { steps, lines } = await run({ model, maxSteps: 1, microBatchSize: 4 });
  expect(steps[0]).toMatchObject({ tokens: 18, paddedTokens: 48 });
  const { tokens_per_second = 0, padded_tokens_per_second = 0 } = lines[0]?.[1] ?? {};
  expect(padded_tokens_per_second / tokens_per_second).toBeCloseTo(48 / 18, 6);
});

test("a step can be profiled, and the run stays as it was", async () => {
  const { weights } = await run();
  const profiled = await run({ profileStep: 3, microBatchSize: 6 });
  expect(profiled.weights).toEqual(weights);
  const found = profiled.lines.filter(([, scalars]) => "backward_ms" in scalars);
  expect(found).toEqual([[3, { forward_ms: expect.any(Number), backward_ms: expect.any(Number) }]]);
});

/** Its validation loss is NaN from the third validation on. */
class DivergingModel extends DigitModel {
  #validations = 0;

  override reduce(sums: Readonly<Record<string, number>>, count: number) {
    const metrics = super.reduce(sums, count);
    const diverges = "correct" in sums && ++this.#validations > 2;
    return diverges ? { ...metrics, loss: Number.NaN } : metrics;
  }
}

test("a validation loss that is not finite ends the run with the last good checkpoint", async () => {
  const checkpoints = new CheckpointFiles(newFolder(), { saveTopK: -1 });
  const options = { checkpoints, valCheckInterval: 2, model: new DivergingModel() };
  const error = await errorOf(() => run(options));
  expect(checkpoints.list().map(({ step }) => step)).toEqual([2, 4]);
  expect(error).toMatchObject({
    code: "loss-not-finite",
    message: "the validation loss of step 6 is NaN: training stopped after step 6",
    step: 6,
    checkpoint: checkpoints.newest()?.path,
  });
  const early = new CheckpointFiles(newFolder(), { saveTopK: -1 });
  const stopping = { valCheckInterval: 2, earlyStopping: { patience: 9 } };
  const model = new DivergingModel();
  const { result } = await run({ ...stopping, model, checkpoints: early });
  expect(result).toMatchObject({ step: 6, reason: "early-stop", checkpoint: early.newest()?.path });
  expect(early.newest()?.step).toBe(4);
});

test("a metric that no checkpoint ever has is named, with the nearest", async () => {
  const checkpoints = new CheckpointFiles(newFolder(), { monitor: "val_acuracy", mode: "max" });
  const seen = await errorOf(() => run({ checkpoints, valCheckInterval: 2 }));
  expect(seen).toMatchObject({
    message: "there is no metric val_acuracy to choose checkpoints by",
    suggestions: ["val_accuracy?", expect.stringContaining("reduced_train_loss")],
  });
  expect(checkpoints.newest()?.step).toBe(2); // nothing is lost with it
  const told = Object.assign(new DigitModel(), { metrics: ["loss", "accuracy"] });
  const early = new CheckpointFiles(newFolder(), { monitor: "val_acuracy", mode: "max" });
  const error = await errorOf(() => run({ checkpoints: early, model: told }));
  expect(error).toMatchObject({
    argument: "monitor",
    suggestions: ["val_accuracy?", expect.any(String)],
  });
  expect(early.newest()).toBeNull();
  const good = new CheckpointFiles(newFolder(), { monitor: "val_accuracy" });
  expect((await run({ checkpoints: good, model: told })).result.checkpoint).toContain("accuracy=");
});

test("a trainer that is closed while it trains ends fit() with an error of its own", async () => {
  for (const closesAt of [0, 1, 3]) {
    await using executor = await openExecutor("reference");
    await using data = new DigitDataModule({ maxSteps: 12 });
    const folder = newFolder();
    let steps = 0;
    const closed: Promise<void>[] = [];
    const close = (step: number) => {
      if (step === closesAt) closed.push(trainer[Symbol.asyncDispose]());
    };
    const trainer = new Trainer<DigitBatch>({
      ...{ model: new DigitModel(), executor, data, maxSteps: 12 },
      ...{ optimizer: { kind: "sgd" }, schedule: () => 0.1 },
      checkpoints: new CheckpointFiles(folder),
      observer: {
        started: () => close(0),
        trained: ({ step }) => {
          steps += 1;
          close(step);
        },
      },
    });
    await expect(trainer.fit()).rejects.toMatchObject({
      code: "closed",
      message: "the trainer was closed while it trained",
    });
    await Promise.all(closed);
    expect(closed).toHaveLength(1);
    expect(steps).toBe(closesAt);
    expect(existsSync(folder)).toBe(false);
  }
});

test("what went wrong is not hidden by closing a trainer after its executor", async () => {
  const executor = await openExecutor("onnx", { threads: 1 });
  await using data = new DigitDataModule({ maxSteps: 12 });
  const trains = async () => {
    await using trainer = new Trainer<DigitBatch>({
      ...{ model: new DigitModel(), executor, data, maxSteps: 12 },
      ...{ optimizer: { kind: "sgd" }, schedule: () => 0.1 },
    });
    await trainer.fit();
    await executor.close();
    throw new Error("the real one");
  };
  await expect(trains()).rejects.toThrow(/^the real one$/);
});
