import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { MaskedTokens } from "../../../src/tokenize/bert-mask.ts";
import { packBatch, packedRows } from "../../../src/tokenize/pack-batch.ts";
import { planPacking } from "../../../src/tokenize/pack-plan.ts";
import { readGolden } from "../random/golden.ts";

type Numbers = readonly number[];

interface Golden {
  readonly batches: readonly (readonly [
    items: readonly (readonly [ids: Numbers, labels: Numbers])[],
    multiple: number | null,
    packed: {
      readonly input_ids: Numbers;
      readonly labels: Numbers;
      readonly position_ids: Numbers;
      readonly cu_seq_lens_q: Numbers;
      readonly max_length_q: number;
    },
    sequenceIds: Numbers,
    positions: Numbers,
  ])[];
  readonly plans: readonly (readonly [
    lengths: Numbers,
    maxTokens: number,
    multiple: number | null,
    dropLast: boolean,
    rows: readonly Numbers[],
  ])[];
}

const golden = readGolden<Golden>("tokenize/packing");

function item(text: Numbers, labels: Numbers): MaskedTokens {
  return {
    text: Int32Array.from(text),
    labels: Int32Array.from(labels),
    lossMask: Uint8Array.from(labels, (label) => (label === -100 ? 0 : 1)),
  };
}

/** Item i is [i, i, ...], with every label but the first counted. */
function itemsOf(lengths: Numbers): MaskedTokens[] {
  return lengths.map((length, i) => {
    const text = new Array<number>(length).fill(i);
    return item(
      text,
      text.map((id, k) => (k === 0 ? -100 : id)),
    );
  });
}

describe("packed batches are those of the originals", () => {
  test("BioNeMo's DataCollatorWithFlattening, and transformers' sequence ids and positions", () => {
    for (const [features, multiple, expected, sequenceIds, positions] of golden.batches) {
      const items = features.map(([ids, labels]) => item(ids, labels));
      const packed = packBatch(items, multiple === null ? {} : { padToMultipleOf: multiple });
      expect([...packed.text]).toEqual(expected.input_ids);
      expect([...packed.labels]).toEqual(expected.labels);
      expect([...packed.positions]).toEqual(expected.position_ids);
      expect([...packed.cuSeqlens]).toEqual(expected.cu_seq_lens_q);
      expect(packed.cuSeqlensPadded).toEqual(packed.cuSeqlens);
      expect(packed.maxSeqlen).toBe(expected.max_length_q);
      expect([...packed.lossMask]).toEqual(expected.labels.map((label) => +(label !== -100)));
      expect([...packed.sequenceIds.subarray(0, sequenceIds.length)]).toEqual(sequenceIds);
      expect([...packed.positions.subarray(0, positions.length)]).toEqual(positions);
    }
  });

  test("TokenPackingDataset: which samples are in which row, planned and streamed", () => {
    for (const [lengths, maxTokens, multiple, dropLast, expected] of golden.plans) {
      const padding = multiple === null ? {} : { padSequencesToMultipleOf: multiple };
      const items = itemsOf(lengths);
      const dataset = { length: items.length, at: (i: number) => items[i] as MaskedTokens };
      const rows = [...packedRows(dataset, { maxTokens, dropLast, ...padding })];
      if (dropLast && rows.length > expected.length) {
        // The original drops a last row that is full when the sample that fills it came alone.
        expect(rows.pop()?.batch.cuSeqlensPadded).toEqual(Int32Array.of(0, maxTokens));
      }
      const name = JSON.stringify([lengths, maxTokens, multiple, dropLast]);
      expect(
        rows.map(({ begin, end }) => Array.from({ length: end - begin }, (_, k) => begin + k)),
        name,
      ).toEqual(expected);
      const planned = planPacking(lengths, { maxTokens, ...padding });
      expect(planned.slice(0, expected.length), name).toEqual(expected);
      expect(planned.length - expected.length, name).toBeLessThanOrEqual(dropLast ? 1 : 0);
    }
  });
});

const lengthsOf = (most: number) => fc.array(fc.integer({ min: 1, max: most }), { maxLength: 40 });

test("every sequence is in one row that holds no more than its tokens, by either method", () => {
  fc.assert(
    fc.property(
      lengthsOf(30),
      fc.integer({ min: 32, max: 90 }),
      fc.constantFrom(1, 4, 8),
      (lengths, maxTokens, padSequencesToMultipleOf) => {
        const options = { maxTokens, padSequencesToMultipleOf };
        const taken = (i: number) =>
          Math.ceil((lengths[i] as number) / padSequencesToMultipleOf) * padSequencesToMultipleOf;
        const total = (row: Numbers) => row.reduce((sum, i) => sum + taken(i), 0);
        const [inOrder, firstFit] = (["in-order", "first-fit"] as const).map((method) =>
          planPacking(lengths, { ...options, method }),
        ) as [number[][], number[][]];
        for (const rows of [inOrder, firstFit]) {
          expect(rows.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
          for (const row of rows) {
            expect(total(row)).toBeLessThanOrEqual(maxTokens);
            expect(row).toEqual([...row].sort((a, b) => a - b));
          }
        }
        expect(inOrder.flat()).toEqual(lengths.map((_, i) => i));
        // First fit: what opened a row had room in no row before it.
        for (const [k, row] of firstFit.entries()) {
          const first = row[0] as number;
          for (const before of firstFit.slice(0, k)) {
            const then = before.filter((i) => i < first);
            expect(total(then) + taken(first)).toBeGreaterThan(maxTokens);
          }
        }
      },
    ),
  );
});

test("each sequence comes back from its places, also when each is padded", () => {
  fc.assert(
    fc.property(lengthsOf(20), fc.constantFrom(1, 2, 8), (lengths, padSequencesToMultipleOf) => {
      const items = itemsOf(lengths);
      const packed = packBatch(items, { paddingValue: 99, padSequencesToMultipleOf });
      let taken = 0;
      for (const [i, { text, labels }] of items.entries()) {
        const begin = packed.cuSeqlensPadded[i] as number;
        const length = (packed.cuSeqlens[i + 1] as number) - (packed.cuSeqlens[i] as number);
        expect(length).toBe(text.length);
        expect(begin % padSequencesToMultipleOf).toBe(0);
        expect(packed.text.subarray(begin, begin + length).join()).toBe(text.join());
        expect(packed.labels.subarray(begin, begin + length).join()).toBe(labels.join());
        expect([packed.positions[begin], packed.sequenceIds[begin]]).toEqual([0, i]);
        taken += length;
      }
      const isPad = packed.text.filter((id) => id === 99).length;
      expect(packed.text.length).toBe(taken + isPad);
    }),
  );
});

test("a stream goes on at the end of any row with the same rows", () => {
  const items = itemsOf([5, 3, 7, 2, 2, 9, 1, 4, 8, 6]);
  const dataset = { length: items.length, at: (i: number) => items[i] as MaskedTokens };
  const rows = [...packedRows(dataset, { maxTokens: 10, dropLast: false })];
  expect(rows.length).toBeGreaterThan(4);
  for (const [k, { end }] of rows.entries()) {
    const rest = [...packedRows(dataset, { maxTokens: 10, dropLast: false, begin: end })];
    expect(rest).toEqual(rows.slice(k + 1));
  }
});

test("what cannot be packed is refused", () => {
  const items = itemsOf([3, 12]);
  const dataset = { length: 2, at: (i: number) => items[i] as MaskedTokens };
  const message = "sequence 1 takes 12 tokens, more than the 10 of a row";
  expect(() => planPacking([3, 12], { maxTokens: 10 })).toThrow(message);
  expect(() => [...packedRows(dataset, { maxTokens: 10 })]).toThrow(message);
  expect(() => planPacking([1], { maxTokens: 0 })).toThrow(InvalidArgumentError);
  expect(() => packBatch(items, { padToMultipleOf: 8, padSequencesToMultipleOf: 8 })).toThrow(
    "cannot be used together",
  );
});
