import { basename } from "node:path";
import { expect, test } from "vitest";
import { CheckpointFiles } from "../../../../src/train/checkpoints/checkpoint-files.ts";
import type { Scalars } from "../../../../src/train/loggers/logger.ts";
import { errorOf, losses, newFolder, type Run, run } from "../digits-run.fixture.ts";

const grid = { maxSteps: 12, valCheckInterval: 4, digits: { globalBatchSize: 5 } } satisfies Run;

function kept(checkpoints: CheckpointFiles): readonly string[] {
  return checkpoints.list().map(({ path }) => basename(path));
}

/** Metrics without what a clock and the system measure. */
function numbers(lines: readonly (readonly [number, Scalars])[]) {
  return lines.map(([step, scalars]) => {
    const values = Object.entries(scalars).filter(([name]) => !/_ms$|_mb$|_second$/.test(name));
    return [step, Object.fromEntries(values)];
  });
}

const ends: [string, Pick<Run, "cutAt" | "stopAt">][] = [
  ["in a validation", { cutAt: 4 }],
  ["in the last validation", { cutAt: 12 }],
  ["with a step that is validated", { stopAt: 8 }],
  ["with the last step", { stopAt: 12 }],
  ["between validations", { stopAt: 6 }],
];

test.each(ends)(
  "a run stopped %s has the validations and checkpoints of one that never stopped",
  async (_, at) => {
    const options = { monitor: "val_loss", saveTopK: 2 };
    const never = new CheckpointFiles(newFolder(), options);
    const through = await run({ ...grid, checkpoints: never });
    const checkpoints = new CheckpointFiles(newFolder(), options);
    const stop = await run({ ...grid, ...at, checkpoints });
    expect(stop.result).toMatchObject({ reason: "stopped", step: at.cutAt ?? at.stopAt });
    // a checkpoint that only the stop has made is none to choose
    expect(checkpoints.best()?.step ?? 0).not.toBe(stop.result.step);
    const go = await run({ ...grid, checkpoints });
    expect(go.result).toMatchObject({ reason: "max-steps", step: 12 });
    expect([...stop.validations, ...go.validations]).toEqual(through.validations);
    expect(through.validations.map(({ step }) => step)).toEqual([4, 8, 12]);
    expect(numbers([...stop.lines, ...go.lines])).toEqual(numbers(through.lines));
    expect(go.weights).toEqual(through.weights);
    expect(kept(checkpoints)).toEqual(kept(never));
    expect(checkpoints.best()?.trainer).toEqual(never.best()?.trainer);
    expect(go.result.metrics).toEqual(through.result.metrics);
  },
);

test("a checkpoint between validations is not chosen for the value of an earlier one", async () => {
  const checkpoints = new CheckpointFiles(newFolder(), { saveTopK: -1 });
  await run({ ...grid, checkpoints, saveEveryNSteps: 2 });
  const names = kept(checkpoints).map((name) => name.replace(/=\d\.\d+$/, ""));
  expect(names).toEqual([
    "step=000002",
    "step=000004-val_loss",
    "step=000006",
    "step=000008-val_loss",
    "step=000010",
    "step=000012-val_loss",
  ]);
});

test("a run that has ended goes on when it is made longer, as if it had been so long before", async () => {
  const long = { ...grid, maxSteps: 19 };
  const through = await run(long);
  for (const first of [12, 13]) {
    const checkpoints = new CheckpointFiles(newFolder());
    const short = await run({ ...grid, maxSteps: first, checkpoints });
    const go = await run({ ...long, checkpoints, digits: { ...grid.digits, prefetch: 2 } });
    expect(go.result).toMatchObject({ reason: "max-steps", step: 19 });
    expect([...losses(short.steps), ...losses(go.steps)]).toEqual(losses(through.steps));
    expect(go.weights).toEqual(through.weights);
    expect(go.notes).toEqual([]);
  }
});

test("a run may end sooner, but not before where it is", async () => {
  const checkpoints = new CheckpointFiles(newFolder());
  await run({ ...grid, checkpoints, stopAt: 6 });
  const error = await errorOf(() => run({ ...grid, maxSteps: 5, checkpoints }));
  expect(error).toMatchObject({ name: "IncompatibleError", code: "state-run-ended" });
  const go = await run({ ...grid, maxSteps: 7, checkpoints });
  expect(go.steps.map(({ step }) => step)).toEqual([7]);
});

test("another global batch size is named as such, and another learning rate is told", async () => {
  const checkpoints = new CheckpointFiles(newFolder());
  await run({ ...grid, checkpoints, stopAt: 6 });
  const error = await errorOf(() => run({ ...grid, checkpoints, digits: { globalBatchSize: 6 } }));
  expect(error).toMatchObject({ name: "IncompatibleError", code: "state-batches" });
  const go = await run({ ...grid, checkpoints, schedule: (step) => 0.1 / (1 + step) });
  expect(go.notes).toEqual([
    "the schedule is another one: step 6 had learning rate 0.008333, by this one it is 0.01667",
  ]);
});

test("a checkpoint without progress, of an earlier version, is gone on from", async () => {
  const checkpoints = new CheckpointFiles(newFolder());
  const { weights } = await run({ ...grid });
  await run({ ...grid, checkpoints, stopAt: 8 });
  const [{ path, trainer } = { path: "", trainer: null }] = checkpoints.list().slice(-1);
  const { readFileSync, writeFileSync } = await import("node:fs");
  const file = JSON.parse(readFileSync(`${path}/trainer.json`, "utf8"));
  expect(trainer?.progress).toEqual(file.progress);
  delete file.progress;
  writeFileSync(`${path}/trainer.json`, JSON.stringify(file));
  expect((await run({ ...grid, checkpoints })).weights).toEqual(weights);
});
