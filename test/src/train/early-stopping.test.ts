import { expect, test } from "vitest";
import { CheckpointFiles } from "../../../src/train/checkpoints/checkpoint-files.ts";
import { EarlyStopping } from "../../../src/train/early-stopping.ts";
import { errorOf, newFolder, type Run, run } from "./digits-run.fixture.ts";

/** Validations until the end, or null. */
function seen(stopping: EarlyStopping, values: readonly number[]): number | null {
  for (const [at, value] of values.entries()) {
    stopping.see({ val_loss: value });
    if (stopping.isOver) return at + 1;
  }
  return null;
}

// Expected: lightning.pytorch.callbacks.EarlyStopping of the same arguments, by hand of its rule
// monitor_op(current - min_delta, best), with min_delta negative for "min".
test.each([
  [{ patience: 2 }, [3, 2, 2.5, 2.5], 4],
  [{ patience: 2 }, [3, 2, 2.5, 1.9, 2, 2], 6],
  [{ patience: 1 }, [3, 3], 2],
  [{ patience: 1, minDelta: 0.5 }, [3, 2.6], 2],
  [{ patience: 1, minDelta: 0.5 }, [3, 2.4, 1.8], null],
  [{ patience: 2, mode: "max" as const }, [1, 2, 2, 1.5], 4],
  [{ patience: 5 }, [3, Number.NaN], 2],
])("%j ends %j after %j", (options, values, end) => {
  expect(seen(new EarlyStopping(options), values)).toBe(end);
});

test.each([
  ["val_spearman", [0.1, 0.2, 0.3, 0.3], 4],
  ["val_accuracy", [0.5, 0.9, 0.8], 3],
  ["val_pearson", [0.5, 0.4], 2],
  ["val_perplexity", [9, 8, 8.5], 3],
  ["reduced_train_loss", [3, 2, 1], null],
])("of %s it is known which value is better", (monitor, values, end) => {
  const stopping = new EarlyStopping({ monitor, patience: 1 });
  const ends = values.findIndex((value) => {
    stopping.see({ [monitor]: value });
    return stopping.isOver;
  });
  expect(ends === -1 ? null : ends + 1).toBe(end);
  const other = new EarlyStopping({ monitor, patience: 1, mode: end === null ? "max" : "auto" });
  for (const value of [1, 0.5]) other.see({ [monitor]: value });
  expect(other.isOver).toBe(end === null || !/loss|perplexity/.test(monitor));
});

test("of an unknown metric it must be said, and checkpoints ask alike", () => {
  const asks = expect.objectContaining({
    argument: "mode",
    suggestions: expect.arrayContaining(["say it: mode min or max"]),
  });
  expect(() => new EarlyStopping({ monitor: "val_f1" })).toThrow(asks);
  expect(() => new CheckpointFiles(newFolder(), { monitor: "val_f1" })).toThrow(asks);
  expect(new EarlyStopping({ monitor: "val_f1", mode: "max" }).state().mode).toBe("max");
});

test("a state of the other end is left alone; one that does not say its end counts on", () => {
  const largest = new EarlyStopping({ monitor: "val_accuracy" });
  largest.see({ val_accuracy: 0.5 });
  const smallest = new EarlyStopping({ monitor: "val_accuracy", mode: "min" });
  smallest.loadState(largest.state());
  expect(smallest.state().best).toBe(null);
  const { mode: _mode, ...older } = largest.state();
  smallest.loadState(older);
  expect(smallest.state().best).toBe(0.5);
});

test("a state goes on counting, and one of another metric is left alone", () => {
  const first = new EarlyStopping({ patience: 3 });
  seen(first, [1, 2, 2]);
  const second = new EarlyStopping({ patience: 3 });
  second.loadState(JSON.parse(JSON.stringify(first.state())));
  expect(seen(second, [1.5])).toBe(1);
  const other = new EarlyStopping({ patience: 3, monitor: "val_accuracy" });
  other.loadState(first.state());
  expect(other.state()).toMatchObject({ wait: 0, best: null });
});

/** Learning rate 0 after step 4: validations of the reference executor are equal from there on. */
const flat = {
  maxSteps: 40,
  valCheckInterval: 2,
  schedule: (step: number) => (step < 4 ? 0.05 : 0),
  earlyStopping: { patience: 3 },
} satisfies Run;

test("a run ends early, also when it was stopped between, and stays ended", async () => {
  const through = await run({ ...flat, checkpoints: new CheckpointFiles(newFolder()) });
  expect(through.result).toMatchObject({ reason: "early-stop", step: 10 });
  expect(through.validations.map(({ step }) => step)).toEqual([2, 4, 6, 8, 10]);
  const checkpoints = new CheckpointFiles(newFolder());
  for (const stopAt of [5, 8]) {
    expect((await run({ ...flat, checkpoints, stopAt })).result.reason).toBe("stopped");
  }
  const go = await run({ ...flat, checkpoints });
  expect(go.result).toEqual({
    ...through.result,
    checkpoint: go.result.checkpoint,
    times: go.result.times,
  });
  expect(checkpoints.newest()?.trainer.progress?.earlyStopping).toMatchObject({ wait: 3 });
  const again = await run({ ...flat, checkpoints });
  expect(again.result).toMatchObject({ reason: "early-stop", step: 10 });
  expect(again.steps).toEqual([]);
  const patient = await run({ ...flat, checkpoints, earlyStopping: { patience: 4 } });
  expect(patient.result).toMatchObject({ reason: "early-stop", step: 12 });
});

test("a metric that is not there is named with those that are", async () => {
  const earlyStopping = { monitor: "val_los", mode: "min" as const };
  const checkpoints = new CheckpointFiles(newFolder());
  expect(await errorOf(() => run({ ...flat, earlyStopping, checkpoints }))).toMatchObject({
    name: "InvalidArgumentError",
    message: "earlyStopping: there is no metric val_los",
    suggestions: [expect.stringContaining("val_accuracy")],
  });
  // nothing is lost with it
  expect(checkpoints.newest()?.step).toBe(2);
  expect(await errorOf(() => run({ ...flat, digits: { valid: false } }))).toMatchObject({
    message: "earlyStopping looks at val_loss, and nothing is validated",
  });
  expect(await errorOf(() => run({ ...flat, earlyStopping: { patience: 0 } }))).toMatchObject({
    argument: "patience",
  });
  expect(await errorOf(() => run({ ...flat, earlyStopping: { minDelta: -1 } }))).toMatchObject({
    argument: "minDelta",
  });
});
