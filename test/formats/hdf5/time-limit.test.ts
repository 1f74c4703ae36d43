import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TimeLimit } from "../../../formats/hdf5/time-limit.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** @param share of the processor that the thread gets. Returns what was told, and when. */
async function run(share: number | (() => Promise<number>), forMs: number): Promise<unknown[]> {
  const told: unknown[] = [];
  const began = performance.now();
  const cpuMs =
    typeof share === "function" ? share : async () => 5000 + (performance.now() - began) * share;
  using _limit = new TimeLimit({
    limitMs: 8000,
    cpuMs,
    onOver: (why) => told.push(why, Math.round((performance.now() - began) / 1000)),
  });
  await vi.advanceTimersByTimeAsync(forMs);
  return told;
}

test("a thread that computes all the time is ended after the limit", async () => {
  expect(await run(1, 300_000)).toEqual(["computing", 8]);
});

test("a thread that gets a tenth of the processor is not ended after the limit but after as much computing", async () => {
  expect(await run(0.1, 60_000)).toEqual([]);
  expect(await run(0.1, 300_000)).toEqual(["computing", 62]);
});

test("a thread that waits or does not answer is given up after fifteen times the limit", async () => {
  expect(await run(0, 300_000)).toEqual(["waiting", 122]);
  expect(await run(() => new Promise(() => {}), 300_000)).toEqual(["waiting", 122]);
});

test("the processor time of other threads never makes it shorter than the limit", async () => {
  expect(await run(3, 300_000)).toEqual(["computing", 8]);
});
