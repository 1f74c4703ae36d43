import { expect, test } from "vitest";
import { BucketReducer, bucketsOf } from "../../../src/distributed/buckets.ts";

test("arrays are parted and joined into buckets of one size", () => {
  const arrays = [3, 0, 5, 1].map((length, at) => new Float32Array(length).fill(at));
  const buckets = bucketsOf(arrays, 4).map((parts) => parts.map((part) => [...part]));
  expect(buckets).toEqual([[[0, 0, 0], [2]], [[2, 2, 2, 2]], [[3]]]);
});

test("every element is reduced once, also when the next bucket is larger than the buffers", async () => {
  const sizes: number[] = [];
  let inFlight = 0;
  const reducer = new BucketReducer(
    async (bucket) => {
      sizes.push(bucket.length);
      expect(++inFlight).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      for (let i = 0; i < bucket.length; i++) bucket[i] = 10 * (bucket[i] ?? 0);
      inFlight--;
    },
    { floats: 4 },
  );
  const first = [Float32Array.of(1, 2)];
  await reducer.allReduceSum(first);
  const second = [Float32Array.of(1, 2, 3), Float32Array.of(4, 5, 6, 7, 8, 9)];
  await reducer.allReduceSum(second);
  await reducer.allReduceSum([]);
  expect(first.map((array) => [...array])).toEqual([[10, 20]]);
  expect(second.flatMap((array) => [...array])).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90]);
  expect(sizes).toEqual([2, 4, 4, 1]);
});

test("a failed bucket rejects", async () => {
  const reducer = new BucketReducer(() => Promise.reject(new Error("lost")), { floats: 1 });
  await expect(reducer.allReduceSum([new Float32Array(3)])).rejects.toThrow("lost");
});

test("large arrays are reduced in place, shared memory too, small ones between them together", async () => {
  const seen: [number, boolean][] = [];
  const large = new Float32Array(new SharedArrayBuffer(4 * 300_000)).fill(1);
  const reducer = new BucketReducer(
    async (bucket) => {
      seen.push([bucket.length, bucket.buffer === large.buffer]);
      bucket.fill(2);
    },
    { floats: 200_000 },
  );
  const small = [Float32Array.of(1), Float32Array.of(1, 1)];
  await reducer.allReduceSum([small[0] ?? large, large, small[1] ?? large]);
  expect(seen).toEqual([
    [200_000, true],
    [100_000, true],
    [3, false],
  ]);
  expect([large, ...small].every((array) => array.every((value) => value === 2))).toBe(true);
});
