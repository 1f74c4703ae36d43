/** A run's folder belongs to one process at a time. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { RunLock } from "../../../../src/train/runs/run-lock.ts";
import { trainEsm2 } from "../../../../src/train/runs/train-esm2.ts";
import { TrainingRun } from "../../../../src/train/runs/training-run.ts";
import { temporaryDirectory } from "../../../helpers/bundle.ts";
import { hasProc, unreapedChild } from "../../../helpers/zombie.ts";

const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

/** A process that has the lock of a folder until it is killed. */
async function holder(directory: string): Promise<ChildProcess> {
  const module = new URL("../../../../src/train/runs/run-lock.ts", import.meta.url).href;
  const script = `
    const { RunLock } = await import(${JSON.stringify(module)});
    new RunLock(process.argv[1]);
    console.log("held");
    setInterval(() => {}, 1000);`;
  const args = ["--input-type=module", "--eval", script, directory];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout, "data");
  return child;
}

const inUse = expect.objectContaining({ name: "StorageError", code: "in-use" });

test("a run of another process is refused, until that one is killed", async () => {
  const resultDir = temporaryDirectory();
  const folder = join(resultDir, "esm2");
  const child = await holder(folder);
  expect(() => new TrainingRun({ resultDir }, "esm2")).toThrow(inUse);
  expect(() => new RunLock(folder)).toThrow(`process ${child.pid} of `);
  expect(() => new TrainingRun({ resultDir }, "other")).not.toThrow();
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(existsSync(join(folder, ".lock"))).toBe(true);
  expect(() => new TrainingRun({ resultDir }, "esm2")).not.toThrow();
  new RunLock(folder).release();
  expect(readdirSync(folder)).toEqual([]);
});

test.skipIf(!hasProc)("a killed run that nobody waits for leaves its folder", async () => {
  const folder = join(temporaryDirectory(), "run");
  mkdirSync(folder);
  await using child = await unreapedChild();
  const lock = { pid: child.pid, host: hostname(), started: null, id: "x" };
  writeFileSync(join(folder, ".lock"), JSON.stringify(lock));
  expect(() => new RunLock(folder)).toThrow(inUse);
  await child.kill();
  new RunLock(folder).release();
});

test("of two runs that begin in one folder one goes on, and the folder is free after it", async () => {
  const resultDir = temporaryDirectory();
  const data = join(resultDir, "some.fasta");
  writeFileSync(data, Array.from({ length: 8 }, (_, i) => `>p${i}\nMKTAYIAKQRACDEF\n`).join(""));
  const train = (resumeIfExists: boolean) =>
    trainEsm2({
      ...{ data, resultDir, resumeIfExists, minSeqLength: null, maxSeqLength: 20 },
      model: { layers: 1, hiddenSize: 8, heads: 2, intermediateSize: 16 },
      ...{ numSteps: 2, microBatchSize: 2, valCheckInterval: 1, logEveryNSteps: 1, threads: 1 },
    });
  const both = await Promise.allSettled([train(true), train(true)]);
  const refused = both.filter(({ status }) => status === "rejected");
  expect(refused).toEqual([{ status: "rejected", reason: inUse }]);
  const folder = join(resultDir, "esm2");
  const lines = readFileSync(join(folder, "metrics.jsonl"), "utf8").trim().split("\n");
  const steps = lines.map((line) => JSON.parse(line).step);
  expect([...new Set(steps)]).toEqual([1, 2]);
  expect(steps).toHaveLength(2);
  expect(existsSync(join(folder, ".lock"))).toBe(false);
  expect((await train(true)).step).toBe(2);
});

test("a lock that is left over, cut off or of another machine that is silent is taken", () => {
  const folder = join(temporaryDirectory(), "run");
  mkdirSync(folder);
  const path = join(folder, ".lock");
  const long = new Date(Date.now() - 3_600_000);
  const lock = { pid: process.pid, host: "elsewhere", started: "1", id: "x" };
  for (const text of [JSON.stringify(lock), "", "{", "[]", "null", '{"pid":"1"}']) {
    writeFileSync(path, text);
    expect(() => new RunLock(folder), text).toThrow(inUse);
    utimesSync(path, long, long);
    const taken = new RunLock(folder);
    expect(() => new RunLock(folder)).toThrow(`process ${process.pid} of `);
    taken.release();
    expect(readdirSync(folder)).toEqual([]);
  }
  const own = new RunLock(folder);
  const written = readFileSync(path, "utf8");
  own.release();
  // A later process of the same number, and this one in a former life.
  const { host, ...others } = JSON.parse(written);
  writeFileSync(path, written);
  new RunLock(folder).release();
  const other = { ...others, host, pid: process.ppid, started: "0" };
  writeFileSync(path, JSON.stringify(other));
  if (others.started !== null) new RunLock(folder).release();
});
