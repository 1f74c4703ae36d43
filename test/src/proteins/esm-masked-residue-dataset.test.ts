import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  IncompatibleError,
  InvalidArgumentError,
  NotFoundError,
} from "../../../formats/common/errors.ts";
import { clustersFromArrays } from "../../../src/proteins/clusters-from-arrays.ts";
import {
  ESMMaskedResidueDataset,
  type EsmMaskedResidueOptions,
  type RandomMaskStrategy,
} from "../../../src/proteins/esm-masked-residue-dataset.ts";
import type { ProteinSource } from "../../../src/proteins/protein-source.ts";
import { MultiEpochDatasetResampler } from "../../../src/sampling/multi-epoch-dataset.ts";
import { assertDatasetDeterministic } from "../../../src/testing/index.ts";
import { bertPaddingCollate } from "../../../src/tokenize/bert-collate.ts";
import type { BertItem } from "../../../src/tokenize/bert-item.ts";
import { type Kept, kept, readGolden } from "../random/golden.ts";

type Numbers = readonly number[];

const NAMES = {
  text: "text",
  types: "types",
  attentionMask: "attention_mask",
  labels: "labels",
  lossMask: "loss_mask",
  isRandom: "is_random",
} as const;
type Name = keyof typeof NAMES;

interface Golden {
  readonly published: readonly (readonly [
    seed: number,
    epoch: number,
    idx: number,
    maxSeqLength: number,
    item: Readonly<Record<string, Numbers>>,
  ])[];
  readonly proteins: readonly (readonly [string, string])[];
  readonly clusters: readonly (readonly string[])[];
  readonly items: readonly (readonly [
    seed: string,
    maxSeqLength: number,
    strategy: RandomMaskStrategy,
    maskProb: number,
    maskTokenProb: number,
    maskRandomProb: number,
    items: readonly (readonly [
      epoch: number,
      idx: number,
      length: number,
      text: Kept,
      labels: Kept,
      lossMask: Kept,
    ])[],
  ])[];
  readonly batches: readonly (readonly [
    number,
    least: number | null,
    most: number | null,
    shape: Numbers,
    arrays: Readonly<Record<string, Kept>>,
  ])[];
}

const golden = readGolden<Golden>("tokenize/esm2-items");
const SMALL = clustersFromArrays([["A"], ["B", "C"]], {
  A: "ACDEFGHIKLMNPQRSTVWY",
  B: "DEFGHIKLMNPQRSTVWYAC",
  C: "MGHIKLMNPQRSTVWYACDE",
});
const CLUSTERS = clustersFromArrays(golden.clusters, new Map(golden.proteins));

function keptAll(item: BertItem): Readonly<Record<string, Kept>> {
  const names = Object.keys(NAMES) as Name[];
  return Object.fromEntries(names.map((k) => [NAMES[k], kept(Int32Array.from(item[k]))]));
}

function goldenDataset(row: Golden["items"][number]): ESMMaskedResidueDataset {
  const [seed, maxSeqLength, randomMaskStrategy, maskProb, maskTokenProb, maskRandomProb] = row;
  const probabilities = { maskProb, maskTokenProb, maskRandomProb };
  const options = { seed: BigInt(seed), maxSeqLength, randomMaskStrategy, ...probabilities };
  return new ESMMaskedResidueDataset(CLUSTERS, options);
}

describe("items are BioNeMo's", () => {
  test("the nine published ones, every array", () => {
    expect(golden.published).toHaveLength(9);
    for (const [seed, epoch, idx, maxSeqLength, expected] of golden.published) {
      const item = new ESMMaskedResidueDataset(SMALL, { seed, maxSeqLength }).at({ epoch, idx });
      for (const [ours, theirs] of Object.entries(NAMES)) {
        expect([...item[ours as Name]], `${seed} ${epoch} ${idx} ${ours}`).toEqual(
          expected[theirs],
        );
      }
    }
  });

  test("400 more: seeds up to 2^100, lengths, strategies, probabilities, odd sequences", () => {
    let checked = 0;
    for (const row of golden.items) {
      const dataset = goldenDataset(row);
      for (const [epoch, idx, length, ...expected] of row[6]) {
        const { text, labels, lossMask } = dataset.at({ epoch, idx });
        expect(text.length).toBe(length);
        const found = [text, labels, Int32Array.from(lossMask)].map(kept);
        expect(found, `${row.slice(0, 6)} ${epoch} ${idx}`).toEqual(expected);
        checked++;
      }
    }
    expect(checked).toBe(400);
  });

  test("batches: collated items and the short way, with its min_length as length", () => {
    for (const [which, least, most, shape, expected] of golden.batches) {
      const row = golden.items[which] as Golden["items"][number];
      const dataset = goldenDataset(row);
      const indices = row[6].map(([epoch, idx]) => ({ epoch, idx }));
      const lengths = {
        ...(least === null ? {} : { length: least }),
        ...(most === null ? {} : { maxLength: most }),
      };
      const batch = dataset.maskedBatch(indices, lengths);
      expect(batch.shape).toEqual(shape);
      expect(keptAll(batch), `${which}`).toEqual(expected);
      const items = indices.map((index) => dataset.at(index));
      expect(keptAll(bertPaddingCollate(items, { paddingValue: 1, ...lengths }))).toEqual(expected);
    }
  });
});

test("the short way makes the batch of the collate function, for any lengths", () => {
  const length = fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined });
  const index = fc.record({ epoch: fc.nat(9), idx: fc.nat(CLUSTERS.length - 1) });
  const options = { seed: 5, maxSeqLength: 40, cropWindows: "uniform" as const };
  const dataset = new ESMMaskedResidueDataset(CLUSTERS, options);
  fc.assert(
    fc.property(
      fc.array(index, { maxLength: 4 }),
      length,
      length,
      fc.integer({ min: 1, max: 9 }),
      (indices, minLength, maxLength, padToMultipleOf) => {
        const lengths = {
          ...(minLength === undefined ? {} : { minLength }),
          ...(maxLength === undefined ? {} : { maxLength }),
          padToMultipleOf,
        };
        const items = indices.map((at) => dataset.at(at));
        const { shape, ...expected } = bertPaddingCollate(items, { paddingValue: 1, ...lengths });
        const batch = dataset.maskedBatch(indices, lengths);
        expect(batch.shape).toEqual(shape);
        for (const [name, array] of Object.entries(expected)) {
          expect(batch[name as Name].join(), name).toBe(array.join());
        }
      },
    ),
  );
});

describe("cropping", () => {
  const seen = (options: EsmMaskedResidueOptions) => {
    const clusters = clustersFromArrays([["P"]], { P: "LAGVSERTID" });
    const dataset = new ESMMaskedResidueDataset(clusters, { ...options, maskProb: 0 });
    const windows = new Set<string>();
    for (let epoch = 0; epoch < 300; epoch++)
      windows.add(dataset.at({ epoch, idx: 0 }).text.join());
    return [...windows].sort((a, b) => (a < b ? -1 : 1));
  };

  test("uniform windows are all of them, the original's lack the one with <eos>", () => {
    const uniform = seen({ maxSeqLength: 9, cropWindows: "uniform" });
    expect(uniform).toEqual([
      "0,4,5,6,7,8,9,10,11",
      "4,5,6,7,8,9,10,11,12",
      "5,6,7,8,9,10,11,12,13",
      "6,7,8,9,10,11,12,13,2",
    ]);
    expect(seen({ maxSeqLength: 9 })).toEqual(uniform.slice(0, 3));
    expect(seen({ maxSeqLength: 12 })).toEqual(["0,4,5,6,7,8,9,10,11,12,13,2"]);
  });
});

test("items are the same again in any order, and epochs differ", async () => {
  const dataset = new ESMMaskedResidueDataset(CLUSTERS, { seed: 3 });
  const run = new MultiEpochDatasetResampler(dataset, { numEpochs: 2 });
  for (const sample of [30, 7, 47]) await assertDatasetDeterministic(run, sample);
  const [first, second] = [0, 1].map((epoch) => dataset.at({ epoch, idx: 5 }).text);
  expect(first).not.toEqual(second);
});

test("the identity tells data sets with other items apart", () => {
  const identity = (options: EsmMaskedResidueOptions) =>
    new ESMMaskedResidueDataset(SMALL, options).identity;
  const all = [
    {},
    { seed: 1 },
    { maxSeqLength: 12 },
    { cropWindows: "uniform" },
    { randomMaskStrategy: "amino_acids_only" },
    { maskProb: 0.2 },
  ] as const;
  expect(new Set(all.map(identity)).size).toBe(all.length);
  expect(identity({ seed: 42n })).toBe(identity({}));
});

describe("mistakes", () => {
  const dataset = new ESMMaskedResidueDataset(clustersFromArrays([["A"], []], { A: "L" }));

  test("a cluster without members is named", () => {
    expect(() => dataset.at({ epoch: 0, idx: 1 })).toThrow(IncompatibleError);
    expect(() => dataset.maskedBatch([{ epoch: 0, idx: 1 }])).toThrow("Cluster 1 is empty.");
  });

  test.each([
    { epoch: 0, idx: 2 },
    { epoch: 0, idx: -1 },
    { epoch: -1, idx: 0 },
    { epoch: 0.5, idx: 0 },
  ])("%j is no index", (index) => {
    expect(() => dataset.at(index)).toThrow(InvalidArgumentError);
  });

  test.each([
    [{ maxSeqLength: 0 }, "maxSeqLength is 0"],
    [{ seed: -1 }, "seed must not be negative"],
    [{ maskTokenProb: 0.8, maskRandomProb: 0.3 }, "less than or equal to 1.0"],
    [{ randomMaskStrategy: "acids" as "all_tokens" }, 'randomMaskStrategy is "acids"'],
    [{ cropWindows: "all" as "uniform" }, 'cropWindows is "all"'],
  ])("%j is refused", (options, message) => {
    const make = () => new ESMMaskedResidueDataset(SMALL, options);
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(message);
  });

  test("a cluster that names no protein, and residues that are no ASCII", () => {
    const make = () => clustersFromArrays([["A"], ["A", "toString"]], { A: "L" });
    expect(make).toThrow(NotFoundError);
    expect(make).toThrow('cluster 1 names "toString", which is no protein');
    expect(() => clustersFromArrays([], { A: "Lé" })).toThrow('protein "A" has "é" at 1');
  });

  test("a member that is none", () => {
    expect(() => SMALL.memberId(1, 2)).toThrow(InvalidArgumentError);
    expect(() => SMALL.memberSequence(2, 0)).toThrow(InvalidArgumentError);
  });
});

test("clusters over a source of proteins read rows by name", () => {
  const names = ["x", "y"];
  const source: ProteinSource = {
    length: 2,
    id: (row) => names[row] as string,
    indexOf: (id) => names.indexOf(id),
    sequence: (row) => Buffer.from(row === 0 ? "AC" : "W"),
  };
  const clusters = clustersFromArrays([["y", "x"]], source);
  expect([clusters.memberId(0, 0), `${clusters.memberSequence(0, 0)}`]).toEqual(["y", "W"]);
  expect(() => clustersFromArrays([["z"]], source)).toThrow(NotFoundError);
});
