import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import type { Checkpoint } from "../../../../src/train/checkpoints/checkpoint.ts";
import {
  CheckpointFiles,
  type CheckpointInfo,
} from "../../../../src/train/checkpoints/checkpoint-files.ts";
import { CheckpointSaver } from "../../../../src/train/checkpoints/checkpoint-saver.ts";
import { runProcess } from "../../../helpers/run-process.ts";
import { DigitModel } from "../digits.fixture.ts";
import { losses, newFolder, run } from "../digits-run.fixture.ts";

function checkpointAt(step: number): Checkpoint {
  const data = Float32Array.of(step, 1);
  return {
    model: new Map([["w", { dtype: "F32", shape: [2], data }]]),
    optimizer: new Map(),
    trainer: {
      ...{ step, epoch: 0, consumedSamples: 0, metrics: {}, data: null, random: null },
      ...{ config: null, versions: {} },
    },
  };
}

/** Writes that end when the test says so. */
function heldFiles() {
  const writes: { step: number; end: (error?: Error) => void }[] = [];
  const saveInBackground = ({ trainer }: Checkpoint) =>
    new Promise<readonly CheckpointInfo[]>((resolve, reject) => {
      const { step } = trainer;
      const kept = [{ path: `step=${step}`, step, trainer }];
      writes.push({ step, end: (error) => (error === undefined ? resolve(kept) : reject(error)) });
    });
  return { writes, files: { save: () => [], saveInBackground } };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("steps go on beside a write, and the next one waits for it", async () => {
  const { writes, files } = heldFiles();
  const saved: number[] = [];
  const onSaved = ({ step }: CheckpointInfo) => saved.push(step);
  const saver = new CheckpointSaver(files, { isAsync: true, newest: null, onSaved });
  await saver.save(async () => checkpointAt(1));
  expect([saver.newest, saved]).toEqual([null, []]);
  const taken: number[] = [];
  const second = saver.save(async () => {
    taken.push(2);
    return checkpointAt(2);
  });
  await turn();
  // no second copy of the state while the first is written
  expect(taken).toEqual([]);
  writes[0]?.end();
  await second;
  expect([saver.newest, saved, taken]).toEqual(["step=1", [1], [2]]);
  const finished = saver.finish();
  writes[1]?.end();
  await finished;
  expect([saver.newest, saved]).toEqual(["step=2", [1, 2]]);
});

test("what a write meets is thrown once, at the next step or at the end", async () => {
  const { writes, files } = heldFiles();
  const saver = new CheckpointSaver(files, { isAsync: true, newest: "old", onSaved: () => {} });
  const failure = new Error("full");
  await saver.save(async () => checkpointAt(1));
  saver.check();
  writes[0]?.end(failure);
  await turn();
  expect(() => saver.check()).toThrow(failure);
  expect(saver.newest).toBe("old");
  await saver.finish();
  await saver.save(async () => checkpointAt(2));
  writes[1]?.end(failure);
  await expect(saver.finish()).rejects.toThrow(failure);
});

test("a thread writes the bytes that save() writes, and takes the arrays over", async () => {
  const [here, there] = [new CheckpointFiles(newFolder()), new CheckpointFiles(newFolder())];
  here.save(checkpointAt(3));
  const checkpoint = checkpointAt(3);
  const kept = await there.saveInBackground(checkpoint);
  expect(kept.map(({ step }) => step)).toEqual([3]);
  expect(checkpoint.model.get("w")?.data.length).toBe(0);
  expect(there.newest()?.trainer).toEqual(here.newest()?.trainer);
  const file = new CheckpointFiles("/dev/null/x");
  await expect(file.saveInBackground(checkpointAt(1))).rejects.toMatchObject({
    name: "NotFoundError",
    message: expect.stringContaining("/dev/null/x"),
  });
});

test("a run with asyncSave false has the same checkpoints", async () => {
  const runs = [true, false].map(async (asyncSave) => {
    const checkpoints = new CheckpointFiles(newFolder(), { saveTopK: -1 });
    const saved: number[] = [];
    const observer = { saved: ({ step }: { step: number }) => saved.push(step) };
    const { steps, result } = await run({ checkpoints, valCheckInterval: 3, asyncSave, observer });
    expect(saved).toEqual([3, 6, 9, 12]);
    expect(result.checkpoint).toBe(checkpoints.newest()?.path);
    return { losses: losses(steps), files: checkpoints.list().map(({ trainer }) => trainer) };
  });
  const [beside, between] = await Promise.all(runs);
  expect(beside).toEqual(between);
});

test.skipIf(process.platform === "win32")(
  "a disk that is full ends the run with the error, and the checkpoint before is whole",
  async () => {
    const checkpoints = new CheckpointFiles(newFolder());
    const model = new DigitModel({ hidden: 6000 });
    const digits = { globalBatchSize: 2, valid: false };
    await run({ checkpoints, model, stopAt: 1, digits });
    const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const script = `
      const { Trainer } = await import(${module("../../../../src/train/trainer.ts")});
      const { CheckpointFiles } = await import(${module("../../../../src/train/checkpoints/checkpoint-files.ts")});
      const { openExecutor } = await import(${module("../../../../src/tensor/index.ts")});
      const { DigitModel, DigitDataModule } = await import(${module("../digits.fixture.ts")});
      const trainer = new Trainer({
        model: new DigitModel({ hidden: 6000 }), maxSteps: 8, saveEveryNSteps: 2,
        data: new DigitDataModule({ maxSteps: 8, globalBatchSize: 2, valid: false }),
        executor: await openExecutor("reference"), optimizer: { kind: "adamw" },
        schedule: () => 0.01, checkpoints: new CheckpointFiles(process.argv[1]),
      });
      await trainer.fit().catch(({ name, code }) => console.log(name, code, trainer.step < 8));`;
    // Blocks of 512 or 1024 bytes, by shell; the weights need 264 KB.
    const limited = 'ulimit -f 100; exec "$0" --input-type=module --eval "$1" "$2"';
    const result = await runProcess("sh", [
      ...["-c", limited, process.execPath],
      ...[script, checkpoints.directory],
    ]);
    expect(result).toMatchObject({ stdout: "StorageError disk-full true\n", code: 0 });
    const left = readdirSync(checkpoints.directory).sort((a, b) => (a < b ? -1 : 1));
    expect(left).toEqual(["last", "step=000001"]);
    expect(checkpoints.newest()?.step).toBe(1);
  },
);
