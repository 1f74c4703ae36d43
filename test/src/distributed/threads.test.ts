import { expect, test } from "vitest";
import { threadsOfRank } from "../../../src/distributed/threads.ts";
import { ofRank } from "../../../src/train/runs/run-executor.ts";

test.each([
  // The machine's processors are divided.
  [{ localWorldSize: 2 }, { available: 16, processors: 16 }, 8],
  [{ localWorldSize: 3 }, { available: 16, processors: 16 }, 5],
  [{ localWorldSize: 32 }, { available: 16, processors: 16 }, 1],
  // mpirun has bound each process to processors of its own.
  [{ localWorldSize: 2 }, { available: 1, processors: 16 }, 1],
  [{ localWorldSize: 2 }, { available: 8, processors: 16 }, 8],
])("%j on %j has %i threads", (place, machine, threads) => {
  expect(threadsOfRank(place, machine)).toBe(threads);
});

test("each process of a machine has a GPU of its own, unless one is named", () => {
  const place = { localRank: 3, localWorldSize: 4 };
  expect(ofRank({ device: "cuda", threads: 2 }, place)).toEqual({ device: "cuda:3", threads: 2 });
  expect(ofRank({ device: "cuda:1", threads: 2 }, place).device).toBe("cuda:1");
  expect(ofRank({}, place)).toEqual({ threads: threadsOfRank(place) });
});
