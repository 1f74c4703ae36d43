import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { bertPaddingCollate } from "../../../src/tokenize/bert-collate.ts";
import type { BertItem } from "../../../src/tokenize/bert-item.ts";
import { paddingCollate } from "../../../src/tokenize/padding-collate.ts";

function item(...ids: number[]): BertItem {
  const text = Int32Array.from(ids);
  return {
    text,
    types: text.map((id) => id + 100),
    attentionMask: new Uint8Array(ids.length).fill(1),
    labels: text.map((id) => -id),
    lossMask: new Uint8Array(ids.length).fill(1),
    isRandom: new Uint8Array(ids.length).fill(7),
  };
}

const ITEMS = [item(5, 6, 7), item(8), item(9, 10, 11, 12)];
const lengthOf = (options: object) =>
  bertPaddingCollate(ITEMS, { paddingValue: 1, ...options }).shape[1];

test("items are padded to the longest, each array with its own value", () => {
  expect(bertPaddingCollate(ITEMS, { paddingValue: 1 })).toEqual({
    text: Int32Array.of(5, 6, 7, 1, 8, 1, 1, 1, 9, 10, 11, 12),
    types: Int32Array.of(105, 106, 107, 0, 108, 0, 0, 0, 109, 110, 111, 112),
    attentionMask: Uint8Array.of(1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1),
    labels: Int32Array.of(-5, -6, -7, -100, -8, -100, -100, -100, -9, -10, -11, -12),
    lossMask: Uint8Array.of(1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1),
    isRandom: Uint8Array.of(7, 7, 7, 0, 7, 0, 0, 0, 7, 7, 7, 7),
    shape: [3, 4],
  });
});

describe("lengths", () => {
  test("minLength is a minimum, length is exact, and a multiple rounds up", () => {
    expect(lengthOf({ minLength: 2 })).toBe(4);
    expect(lengthOf({ minLength: 6 })).toBe(6);
    expect(lengthOf({ length: 2 })).toBe(2);
    expect(lengthOf({ length: 6 })).toBe(6);
    expect(lengthOf({ maxLength: 3 })).toBe(3);
    expect(lengthOf({ maxLength: 3, minLength: 5 })).toBe(5);
    expect(lengthOf({ padToMultipleOf: 8 })).toBe(8);
    expect(lengthOf({ maxLength: 2, padToMultipleOf: 3 })).toBe(3);
    expect(lengthOf({ length: 0 })).toBe(0);
  });

  test("what maxLength cuts off does not come back as padding", () => {
    const { text, attentionMask } = bertPaddingCollate(ITEMS, {
      paddingValue: 1,
      maxLength: 2,
      minLength: 3,
    });
    expect(text).toEqual(Int32Array.of(5, 6, 1, 8, 1, 1, 9, 10, 1));
    expect(attentionMask).toEqual(Uint8Array.of(1, 1, 0, 1, 0, 0, 1, 1, 0));
  });

  test.each([
    [{ minLength: -1 }, "minLength is -1, expected an integer of at least 0"],
    [{ maxLength: 1.5 }, "maxLength is 1.5"],
    [{ padToMultipleOf: 0 }, "padToMultipleOf is 0, expected an integer of at least 1"],
    [{ length: 4, minLength: 2 }, "choose length or minLength, not both"],
    [{ paddingValue: -1 }, "paddingValue is -1"],
  ])("%j is refused", (options, message) => {
    expect(() => lengthOf(options)).toThrow(InvalidArgumentError);
    expect(() => lengthOf(options)).toThrow(message);
  });
});

test("no items are a batch without rows", () => {
  expect(bertPaddingCollate([], { paddingValue: 1, length: 7 }).shape).toEqual([0, 7]);
});

test("an item whose arrays differ in length is named", () => {
  const broken = { ...item(5, 6), labels: new Int32Array(1) };
  expect(() => bertPaddingCollate([item(5), broken], { paddingValue: 1 })).toThrow(
    "item 1: labels has 1 values for 2 tokens",
  );
});

describe("paddingCollate", () => {
  const a = { ids: Int32Array.of(1, 2, 3), score: Float32Array.of(0.5), mask: Uint8Array.of(1, 1) };
  const b = { ids: Int32Array.of(4), score: Float32Array.of(1.5), mask: Uint8Array.of(1) };

  test("pads what has a padding value and stacks the rest, types kept", () => {
    expect(paddingCollate([a, b], { ids: 9, mask: 0 }, { minLength: 3 })).toEqual({
      ids: { data: Int32Array.of(1, 2, 3, 4, 9, 9), shape: [2, 3] },
      score: { data: Float32Array.of(0.5, 1.5), shape: [2, 1] },
      mask: { data: Uint8Array.of(1, 1, 0, 1, 0, 0), shape: [2, 3] },
    });
    expect(paddingCollate([], { ids: 9 })).toEqual({});
  });

  test("items that do not go together are refused", () => {
    const { score, ...rest } = b;
    // A caller in JavaScript may pass anything.
    const other = rest as unknown as typeof a;
    expect(() => paddingCollate([a, other], { ids: 9, mask: 0 })).toThrow(
      "All keys in inputs must match each other. Item 0 has ids, score, mask, item 1 has ids, mask",
    );
    const wide = { ...b, ids: new Float64Array(2) as unknown as Int32Array<ArrayBuffer> };
    expect(() => paddingCollate([a, wide], { ids: 9, mask: 0 })).toThrow(
      "item 1: ids is Float64Array, before it is Int32Array",
    );
    expect(() => paddingCollate([a, b], { ids: 9 })).toThrow(
      "mask has no padding value, and its lengths differ: 1 to 2",
    );
    expect(score).toEqual(Float32Array.of(1.5));
  });
});
