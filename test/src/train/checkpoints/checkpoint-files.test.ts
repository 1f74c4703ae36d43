import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  FormatError,
  InvalidArgumentError,
  NotFoundError,
} from "../../../../formats/common/errors.ts";
import type { StoredTensor } from "../../../../formats/safetensors/tensor.ts";
import {
  type Checkpoint,
  openCheckpoint,
  verifyCheckpoint,
  writeCheckpoint,
} from "../../../../src/train/checkpoints/checkpoint.ts";
import {
  CheckpointFiles,
  type CheckpointFilesOptions,
  findCheckpoint,
} from "../../../../src/train/checkpoints/checkpoint-files.ts";
import { temporaryDirectory } from "../../../helpers/bundle.ts";
import { runProcess } from "../../../helpers/run-process.ts";
import { hasProc, unreapedChild } from "../../../helpers/zombie.ts";

const f32 = (...values: number[]): StoredTensor => ({
  dtype: "F32",
  shape: [values.length],
  data: Float32Array.from(values),
});

function checkpointAt(step: number, metrics: Record<string, number> = {}): Checkpoint {
  return {
    model: new Map([
      ["a.weight", f32(step, 1, 2)],
      ["b.weight", f32(3, 4)],
    ]),
    optimizer: new Map([["exp_avg.a.weight", f32(0.5, step, 0)]]),
    trainer: {
      step,
      epoch: 1,
      consumedSamples: 8 * step,
      metrics,
      data: { train: { batch: step } },
      random: { seed: "18446744073709551615" },
      config: { optim_config: { lr: 1e-4 } },
      versions: { scdl: "0.1.0" },
    },
  };
}

const namesIn = (directory: string) =>
  readdirSync(directory)
    .filter((name) => name.startsWith("step="))
    .sort((a, b) => (a < b ? -1 : 1));
const files = (options: CheckpointFilesOptions = {}) =>
  new CheckpointFiles(join(temporaryDirectory(), "checkpoints"), options);

describe("one checkpoint", () => {
  test("comes back as it was, in one file of weights or several", () => {
    for (const maxShardBytes of [1e9, 12]) {
      const path = join(temporaryDirectory(), "step=000007");
      const written = checkpointAt(7, { val_loss: 1.5 });
      writeCheckpoint(path, written, { maxShardBytes });
      verifyCheckpoint(path);
      using opened = openCheckpoint(path);
      expect(opened.trainer).toEqual(written.trainer);
      expect(opened.model.names).toEqual(["a.weight", "b.weight"]);
      for (const [name, tensor] of written.model) expect(opened.model.read(name)).toEqual(tensor);
      expect(opened.optimizer.readAll()).toEqual(written.optimizer);
      expect(existsSync(join(path, "model-00002-of-00002.safetensors"))).toBe(maxShardBytes === 12);
    }
  });

  test("written again replaces the old one and leaves nothing beside it", () => {
    const directory = temporaryDirectory();
    const path = join(directory, "step=000001");
    writeCheckpoint(path, checkpointAt(1), { maxShardBytes: 12 });
    writeCheckpoint(path, { ...checkpointAt(1), model: new Map([["c", f32(9)]]) });
    using opened = openCheckpoint(path);
    expect(opened.model.names).toEqual(["c"]);
    expect(readdirSync(directory)).toEqual(["step=000001"]);
  });

  test("that cannot be written leaves the old one and nothing else", () => {
    const directory = temporaryDirectory();
    const path = join(directory, "step=000001");
    writeCheckpoint(path, checkpointAt(1));
    const wrong: StoredTensor = { dtype: "F32", shape: [3], data: new Float32Array(2) };
    const broken = { ...checkpointAt(1), optimizer: new Map([["x", wrong]]) };
    expect(() => writeCheckpoint(path, broken)).toThrow(InvalidArgumentError);
    verifyCheckpoint(path);
    expect(readdirSync(directory)).toEqual(["step=000001"]);
  });

  test("any byte changed, in any file, is found and the file named", () => {
    const path = join(temporaryDirectory(), "step=000001");
    writeCheckpoint(path, checkpointAt(1, { val_loss: 2 }));
    for (const name of ["model.safetensors", "optimizer.safetensors"]) {
      const whole = readFileSync(join(path, name));
      for (let at = 0; at < whole.length; at++) {
        const changed = Uint8Array.from(whole);
        changed[at] = (changed[at] ?? 0) ^ 0x10;
        writeFileSync(join(path, name), changed);
        expect(() => verifyCheckpoint(path), `${name} ${at}`).toThrow(`${name}: the checksum`);
      }
      writeFileSync(join(path, name), whole.subarray(0, -1));
      expect(() => verifyCheckpoint(path)).toThrow(`${name}: expected ${whole.length} bytes`);
      writeFileSync(join(path, name), whole);
    }
    verifyCheckpoint(path);
  });

  test("a trainer.json cut at any byte, or of another kind, is a typed error", () => {
    const path = join(temporaryDirectory(), "step=000001");
    writeCheckpoint(path, checkpointAt(1));
    const file = join(path, "trainer.json");
    const whole = readFileSync(file, "utf8");
    for (let length = 0; length < whole.length - 2; length++) {
      writeFileSync(file, whole.slice(0, length));
      expect(() => openCheckpoint(path), `${length}`).toThrow(FormatError);
    }
    for (const [found, put] of [
      ["scdl-checkpoint", "other"],
      ['"version": 1', '"version": 2'],
      ['"step": 1', '"step": -1'],
      ['"name": "model.safetensors"', '"name": "../model.safetensors"'],
      ['"crc32": "', '"crc32": "x'],
      ['"scdl": "0.1.0"', '"scdl": 1'],
    ] as const) {
      expect(whole).toContain(found);
      writeFileSync(file, whole.replace(found, put));
      expect(() => verifyCheckpoint(path), put).toThrow(FormatError);
    }
  });

  test("the factor on the loss of float16 comes back, and one that is none is a typed error", () => {
    const lossScale = { factor: 2 ** 13, goodUpdates: 12, skipped: 3 };
    const progress = { metrics: {}, validationDue: false, earlyStopping: null, lossScale };
    const path = join(temporaryDirectory(), "step=000001");
    const { trainer, ...tensors } = checkpointAt(3);
    writeCheckpoint(path, { ...tensors, trainer: { ...trainer, progress } });
    using checkpoint = openCheckpoint(path);
    expect(checkpoint.trainer.progress?.lossScale).toEqual(lossScale);
    const file = join(path, "trainer.json");
    const whole = readFileSync(file, "utf8");
    for (const [found, put] of [
      ['"factor": 8192', '"factor": 0'],
      ['"factor": 8192', '"factor": 1e39'],
      ['"factor": 8192', '"factor": 1e-60'],
      ['"goodUpdates": 12', '"goodUpdates": -1'],
      ['"skipped": 3', '"skipped": "3"'],
    ] as const) {
      expect(whole).toContain(found);
      writeFileSync(file, whole.replace(found, put));
      const message = "expected factor, goodUpdates and skipped in progress.lossScale, found {";
      expect(() => openCheckpoint(path), put).toThrow(message);
    }
    writeFileSync(file, whole.replace('"skipped": 3', '"skipped": 4'));
    const message = "expected progress.lossScale.skipped of at most the step, 3, found 4";
    expect(() => openCheckpoint(path)).toThrow(`${file}: ${message}`);
  });
});

describe("the checkpoints of a run", () => {
  test("the best by their metric and the last are kept, and last points to it", () => {
    const run = files({ saveTopK: 2 });
    const losses = [5, 3, 4, 2, 6];
    losses.forEach((loss, i) => {
      run.save(checkpointAt(10 * (i + 1), { val_loss: loss }));
    });
    expect(namesIn(run.directory)).toEqual([
      "step=000020-val_loss=3.0000",
      "step=000040-val_loss=2.0000",
      "step=000050-val_loss=6.0000",
    ]);
    expect(readFileSync(join(run.directory, "last"), "utf8")).toBe("step=000050-val_loss=6.0000\n");
    expect(run.best()?.step).toBe(40);
    expect(run.newest()?.step).toBe(50);
    expect(findCheckpoint(run.directory)).toBe(run.newest()?.path);
  });

  test("mode max, and no last: only the best stay", () => {
    const run = files({ saveTopK: 1, saveLast: false, monitor: "val/acc", mode: "max" });
    for (const [step, accuracy] of [
      [1, 0.5],
      [2, 0.75],
      [3, 0.25],
    ] as const) {
      run.save(checkpointAt(step, { "val/acc": accuracy }));
    }
    expect(namesIn(run.directory)).toEqual(["step=000002-val_acc=0.7500"]);
  });

  test("-1 keeps all, 0 the last", () => {
    for (const [saveTopK, kept] of [
      [-1, 4],
      [0, 1],
    ] as const) {
      const run = files({ saveTopK });
      for (const step of [1, 2, 3, 4]) run.save(checkpointAt(step, { val_loss: step }));
      expect(run.list()).toHaveLength(kept);
      expect(run.newest()?.step).toBe(4);
    }
    expect(() => files({ saveTopK: 0, saveLast: false })).toThrow(InvalidArgumentError);
    expect(() => files({ saveTopK: -2 })).toThrow("saveTopK is -2");
  });

  test("without the metric, or with NaN, the newest stand in for the best", () => {
    const run = files({ saveTopK: 2, saveLast: false });
    run.save(checkpointAt(1, { val_loss: Number.NaN }));
    run.save(checkpointAt(2, { val_loss: 3 }));
    run.save(checkpointAt(3));
    expect(run.list().map(({ step }) => step)).toEqual([2, 3]);
    expect(run.best()?.step).toBe(2);
  });

  test("a step that comes again with another metric replaces the first", () => {
    const run = files({ saveTopK: -1 });
    run.save(checkpointAt(5, { val_loss: 2 }));
    run.save(checkpointAt(5, { val_loss: 1 }));
    expect(namesIn(run.directory)).toEqual(["step=000005-val_loss=1.0000"]);
  });

  test("a damaged one is refused by name, and the one before it offered", () => {
    const run = files({ saveTopK: -1 });
    for (const step of [1, 2]) run.save(checkpointAt(step));
    for (const name of ["model.safetensors", "trainer.json"]) {
      const damaged = join(run.directory, "step=000002", name);
      writeFileSync(damaged, readFileSync(damaged).subarray(0, -9));
      let error: unknown;
      try {
        run.newest();
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(FormatError);
      expect(String(error)).toContain(damaged);
      expect((error as FormatError).suggestions.join()).toContain(
        `go on from ${join(run.directory, "step=000001")}`,
      );
    }
    expect(run.list().map(({ step }) => step)).toEqual([1]);
    run.save(checkpointAt(3));
    expect(run.newest()?.step).toBe(3);
  });

  test("what an interrupted removal or a dead writer left is no checkpoint", () => {
    const run = files();
    run.save(checkpointAt(1));
    rmSync(join(run.directory, "step=000001", "trainer.json"));
    expect(run.newest()).toBeNull();
    const dead = join(run.directory, ".step=000009.tmp-999999999-0badcafe");
    mkdirSync(dead);
    run.save(checkpointAt(2));
    expect(existsSync(dead)).toBe(false);
    expect(run.list().map(({ step }) => step)).toEqual([2]);
  });

  test.skipIf(!hasProc)("what a killed writer that nobody waits for left is removed", async () => {
    const run = files();
    await using child = await unreapedChild();
    const half = join(run.directory, `.step=000009.tmp-${child.pid}-0badcafe`);
    run.save(checkpointAt(1));
    mkdirSync(half);
    run.save(checkpointAt(2));
    expect(existsSync(half)).toBe(true);
    await child.kill();
    run.save(checkpointAt(3));
    expect(existsSync(half)).toBe(false);
  });

  test("a folder without checkpoints says so", () => {
    expect(files().newest()).toBeNull();
    expect(() => findCheckpoint(temporaryDirectory())).toThrow(NotFoundError);
    expect(() => openCheckpoint(temporaryDirectory())).toThrow(NotFoundError);
  });

  test.skipIf(process.platform === "win32")("a full disk leaves those that are there", async () => {
    const run = files();
    run.save(checkpointAt(1));
    const module = new URL("../../../../src/train/checkpoints/checkpoint-files.ts", import.meta.url)
      .href;
    const script = `
      const { CheckpointFiles } = await import(${JSON.stringify(module)});
      const trainer = { step: 2, epoch: 0, consumedSamples: 0, metrics: {}, versions: {} };
      const large = { dtype: "F32", shape: [60_000], data: new Float32Array(60_000) };
      const checkpoint = { model: new Map([["x", large]]), optimizer: new Map(), trainer };
      try {
        new CheckpointFiles(process.argv[1]).save(checkpoint);
      } catch (error) {
        console.log(error.code);
      }`;
    // Blocks of 512 or 1024 bytes, by shell; the weights need 240 KB.
    const limited = 'ulimit -f 100; exec "$0" --input-type=module --eval "$1" "$2"';
    const result = await runProcess("sh", ["-c", limited, process.execPath, script, run.directory]);
    expect(result.stdout).toBe("disk-full\n");
    expect(readdirSync(run.directory).sort((a, b) => (a < b ? -1 : 1))).toEqual([
      "last",
      "step=000001",
    ]);
    expect(run.newest()?.step).toBe(1);
  });
});
