import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { TorchGenerator } from "../../../src/random/torch-generator.ts";
import {
  BatchSampler,
  BucketBatchSampler,
  resumeByReplay,
} from "../../../src/sampling/bucket-batch-sampler.ts";
import { createBuckets } from "../../../src/sampling/create-buckets.ts";
import {
  type EpochIndex,
  IdentityMultiEpochDatasetWrapper,
  MultiEpochDatasetResampler,
} from "../../../src/sampling/multi-epoch-dataset.ts";
import { permute, permuteRange } from "../../../src/sampling/permute.ts";
import { PRNGResampleDataset } from "../../../src/sampling/prng-resample-dataset.ts";
import { ResampledSampler } from "../../../src/sampling/resampled-sampler.ts";
import {
  SizeAwareBatchSampler,
  sizeAwareBatching,
} from "../../../src/sampling/size-aware-batches.ts";
import { type Kept, kept, readGolden } from "../random/golden.ts";

interface PythonResamplerOptions {
  readonly num_epochs?: number;
  readonly num_samples?: number;
  readonly seed?: number;
  readonly shuffle?: boolean;
}

interface Golden {
  readonly permutations: readonly (
    | readonly [number, number, string, string]
    | readonly [number, number, readonly number[], string, string]
  )[];
  readonly resamplers: readonly (readonly [
    number,
    PythonResamplerOptions,
    number,
    number,
    ...Kept,
    ...Kept,
  ])[];
  readonly prng: readonly (readonly [
    number,
    number | string,
    readonly number[],
    readonly number[],
  ])[];
  readonly sizeAware: readonly (readonly [
    readonly number[],
    number,
    readonly number[][],
    readonly string[],
  ])[];
  readonly buckets: readonly (readonly [
    readonly number[],
    readonly number[],
    "cost" | "drop" | "keep",
    readonly number[] | null,
    number,
    boolean,
    number,
    number | null,
    readonly (readonly [number, ...Kept])[],
  ])[];
  readonly published: readonly number[][][];
  readonly created: readonly (readonly [
    readonly number[],
    number,
    number,
    readonly number[],
    readonly number[],
  ])[];
}

const golden = readGolden<Golden>("sampling/bionemo");
const numbers = (length: number) => ({ length, at: (index: number) => index });
const pairs = (length: number) => ({ length, at: (index: EpochIndex) => index });

function options(python: PythonResamplerOptions) {
  return {
    ...(python.num_epochs === undefined ? {} : { numEpochs: python.num_epochs }),
    ...(python.num_samples === undefined ? {} : { numSamples: python.num_samples }),
    ...(python.seed === undefined ? {} : { seed: python.seed }),
    ...(python.shuffle === undefined ? {} : { shuffle: python.shuffle }),
  };
}

describe("permute", () => {
  test("is the original's, for lengths up to 2^32 and seeds up to 2^53", () => {
    for (const row of golden.permutations) {
      const [length, seed] = row;
      const at = row.length === 5 ? row[2] : Array.from({ length }, (_, i) => i);
      const order = Float64Array.from(at, (index) => permute(index, length, seed));
      expect(kept(order), `${length}, seed ${seed}`).toEqual(row.slice(-2));
    }
    expect([0, 1, 2, 3, 4, 5, 6].map((i) => permute(i, 7, 1234))).toEqual([0, 5, 3, 4, 1, 6, 2]);
  });

  test("of a range is the permutation of each", () => {
    const out = new Float64Array(40);
    permuteRange(25, 65, 191664963, out);
    expect([...out]).toEqual(Array.from(out, (_, i) => permute(25 + i, 65, 191664963)));
  });

  test.each([
    ["the length of the permuted range must be greater than 1", () => permute(0, 1, 0)],
    ["must be in the range [0, 5), got 5", () => permute(5, 5, 0)],
    ["the permutation seed must be an integer greater than or equal to 0", () => permute(0, 5, -1)],
  ])("%s", (message, call) => {
    expect(call).toThrow(InvalidArgumentError);
    expect(call).toThrow(message);
  });
});

describe("MultiEpochDatasetResampler", () => {
  test("gives the original's epochs and items, also through the identity wrapper", () => {
    for (const [n, python, length, numEpochs, ...expected] of golden.resamplers) {
      const resampler = new MultiEpochDatasetResampler(pairs(n), options(python));
      const name = `${n}, ${JSON.stringify(python)}`;
      expect([resampler.length, resampler.numEpochs], name).toEqual([length, numEpochs]);
      const epochs = new Float64Array(length);
      const items = new Float64Array(length);
      for (let i = 0; i < length; i++) ({ epoch: epochs[i], idx: items[i] } = resampler.at(i));
      expect([...kept(epochs), ...kept(items)], name).toEqual(expected);
      const identity = new IdentityMultiEpochDatasetWrapper(numbers(n));
      const wrapped = new MultiEpochDatasetResampler(identity, options(python));
      expect(wrapped.at(length - 1), name).toBe(items.at(-1));
    }
  });

  test("a data set of one item shuffles", () => {
    const resampler = new MultiEpochDatasetResampler(pairs(1), { numEpochs: 2 });
    expect([resampler.at(0), resampler.at(1)]).toEqual([
      { epoch: 0, idx: 0 },
      { epoch: 1, idx: 0 },
    ]);
  });

  test.each([
    [
      "Only one of num_epochs and num_samples",
      () => new MultiEpochDatasetResampler(pairs(3), { numEpochs: 1, numSamples: 3 }),
    ],
    [
      "num_epochs must be at least 1.",
      () => new MultiEpochDatasetResampler(pairs(3), { numEpochs: 0 }),
    ],
    [
      "num_epochs must be at least 1.",
      () => new MultiEpochDatasetResampler(pairs(0), { numSamples: 0 }),
    ],
    [
      "Index 3 out of bounds for dataset of length 3.",
      () => new MultiEpochDatasetResampler(pairs(3)).at(3),
    ],
    [
      "Index -1 out of bounds for dataset of length 3.",
      () => new MultiEpochDatasetResampler(pairs(3)).at(-1),
    ],
  ])("%s", (message, call) => {
    expect(call).toThrow(InvalidArgumentError);
    expect(call).toThrow(message);
  });

  test("ResampledSampler is its order, epochs asked for in any order", () => {
    const sampler = new ResampledSampler(100, { seed: 7 });
    const resampler = new MultiEpochDatasetResampler(pairs(100), { seed: 7, numEpochs: 40 });
    const out = new Float64Array(100);
    for (const epoch of [39, 0, 1, 20]) {
      sampler.fill(epoch, 0, out);
      expect([...out]).toEqual(
        Array.from(out, (_, i) => resampler.epochIndex(epoch * 100 + i).idx),
      );
    }
  });
});

test("PRNGResampleDataset gives the original's items, forward, again and backward", () => {
  for (const [n, seed, indices, expected] of golden.prng) {
    const dataset = new PRNGResampleDataset(numbers(n), { seed });
    expect(
      indices.map((index) => dataset.at(index)),
      `${n}, seed ${seed}`,
    ).toEqual(expected);
  }
  expect(() => new PRNGResampleDataset(numbers(3)).at(-1)).toThrow("non-negative integer");
});

describe("size aware batches", () => {
  test("are the original's, with its warnings", () => {
    for (const [sizes, limit, batches, warnings] of golden.sizeAware) {
      const warned: string[] = [];
      const sampler = new SizeAwareBatchSampler([...sizes.keys()], (i) => sizes[i] ?? 0, limit, {
        onWarning: (message) => warned.push(message),
      });
      expect([...sampler]).toEqual(batches);
      expect(warned).toEqual(warnings);
    }
  });

  test("count at the end, name a sizeof that fails, and refuse what is not a size", () => {
    const told: string[] = [];
    const sizes = ["aa", "b", "cc"];
    const batches = sizeAwareBatching(sizes, (text) => text.length, 3, {
      onInfo: (message) => told.push(message),
    });
    expect([...batches]).toEqual([["aa", "b"], ["cc"]]);
    expect(told).toEqual(["Batched 3 samples into 2 batches."]);
    const failing = sizeAwareBatching(sizes, () => JSON.parse("{"), 3);
    expect(() => failing.next()).toThrow("sizeof raises error at data=aa");
    expect(() => [...sizeAwareBatching([1], () => Number.NaN, 3)]).toThrow("must answer a number");
    expect(() => [...sizeAwareBatching([1], () => 1, Number.NaN)]).toThrow("should be a number");
  });
});

function bucketSampler(row: Golden["buckets"][number]): BucketBatchSampler {
  const [sizes, boundaries, kind, individual, limit, shuffle, seed] = row;
  return new BucketBatchSampler({
    sizes,
    boundaries,
    shuffle,
    generator: TorchGenerator.fromSeed(seed),
    batches: (indices, bucket) =>
      kind === "cost"
        ? new SizeAwareBatchSampler(indices, (i) => Math.abs(sizes[i] ?? 0) + 1, limit)
        : new BatchSampler(indices, individual?.[bucket] ?? 0, { dropLast: kind === "drop" }),
  });
}

describe("BucketBatchSampler", () => {
  test("gives the original's batches over three epochs, with either kind of base sampler", () => {
    for (const row of golden.buckets) {
      const sampler = bucketSampler(row);
      for (const expected of row[8]) {
        const batches = [...sampler];
        const flat = Float64Array.from(batches.flatMap((batch) => [batch.length, ...batch]));
        expect([batches.length, ...kept(flat)], JSON.stringify(row.slice(0, 7))).toEqual(expected);
      }
      if (row[7] !== null) expect(sampler.length).toBe(row[7]);
    }
    expect(golden.buckets.length).toBeGreaterThan(100);
  });

  const documented = (release: "2.7" | "1.13-mkl") =>
    new BucketBatchSampler({
      sizes: Array.from({ length: 25 }, (_, i) => i),
      boundaries: [0, 6, 15, 25],
      batches: (indices, bucket) => new BatchSampler(indices, [2, 3, 5][bucket] ?? 0),
      generator: TorchGenerator.fromSeed(0, { release }),
    });

  test("gives the batches that newer torch draws for the documented example", () => {
    const sampler = documented("2.7");
    expect([[...sampler], [...sampler]]).toEqual(golden.published);
  });

  test("gives the batches that the original documents, drawn by an older torch", () => {
    const sampler = documented("1.13-mkl");
    expect(JSON.stringify([...sampler])).toBe(
      "[[24,17,16,22,19],[2,5],[12,10,11],[3,0],[15,18,20,21,23],[7,13,6],[14,9,8],[1,4]]",
    );
    expect(JSON.stringify([...sampler])).toBe(
      "[[14,9,13],[23,16,20,21,15],[5,0],[8,10,11],[17,24,22,18,19],[12,6,7],[4,2],[3,1]]",
    );
  });

  test("resumes by replay", () => {
    const whole = documented("2.7");
    const before = [...whole].length;
    const second = [...whole];
    const rest = resumeByReplay(documented("2.7"), { epochs: 1, batches: 3 });
    expect([...rest]).toEqual(second.slice(3));
    expect(before).toBe(8);
  });

  test("says what it leaves out and what it cannot do", () => {
    const told: string[] = [];
    const one = (sizes: number[], boundaries: number[]) =>
      new BucketBatchSampler({
        sizes,
        boundaries,
        batches: (indices) => new SizeAwareBatchSampler(indices, () => 1, 2),
        onWarning: (message) => told.push(message),
      });
    expect([...one([1, 9, 2], [0, 5])].flat().sort()).toEqual([0, 2]);
    expect(told).toEqual(["1 elements are outside the buckets provided and will be skipped"]);
    expect(() => one([1], [0, 5]).length).toThrow("have no length");
    expect(() => one([9], [0, 5])).toThrow("outside the bucket ranges provided");
    expect(() => one([1], [3])).toThrow("at least 2 numbers");
    expect(() => one([1], [0, 3, 3])).toThrow("should be different numbers, got 0, 3, 3");
    expect(() => new BatchSampler([1], 0)).toThrow("batch_size should be a positive integer");
  });
});

describe("createBuckets", () => {
  test("gives the original's boundaries and counts", () => {
    for (const [sizes, width, count, boundaries, bucketSizes] of golden.created) {
      const found = createBuckets(sizes, width, count);
      const name = `${sizes.join()}: ${width}, ${count}`;
      expect([...found.boundaries], name).toEqual(boundaries);
      expect([...found.sizes], name).toEqual(bucketSizes);
    }
  });

  test.each([
    ["sizes should not be empty", () => createBuckets([], 1, 1)],
    ["sizes should contain only integers, got 0.5", () => createBuckets([0.5], 1, 1)],
    ["maxWidth should be a positive integer but got 0", () => createBuckets([1], 0, 1)],
    ["minBucketCount should be a positive integer but got 1.5", () => createBuckets([1], 1, 1.5)],
  ])("%s", (message, call) => {
    expect(call).toThrow(InvalidArgumentError);
    expect(call).toThrow(message);
  });
});
