import { expect, test } from "vitest";
import { threadsOfRank } from "../../../src/distributed/threads.ts";

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
