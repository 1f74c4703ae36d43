import { expect, test } from "vitest";
import { fillDropoutMask } from "../../../src/tensor/index.ts";
import { fillDropoutBits, fillDropoutMaskFast } from "../../../src/tensor/update/dropout-kernel.ts";

const KEY = { seed: 2 ** 40 + 7, step: 3, microBatch: 1, layer: 9 };

test.each([
  [3, 0.5],
  [16, 0.02],
  [17, 0.3],
  [65_537, 0.1],
  [600_003, 0.9],
  [40, 0.999_999],
])("vector code gives the same bits: %d elements, rate %d", (length, rate) => {
  const plain = new Uint8Array(length);
  const bits = new Uint16Array(Math.ceil(length / 16));
  fillDropoutMask(plain, rate, KEY);
  fillDropoutBits(bits, rate, KEY);
  const fast = new Uint8Array(length);
  fillDropoutMaskFast(fast, rate, KEY);
  const cut = Math.floor(bits.length / 3);
  const parts = [bits.slice(0, cut), bits.slice(cut)].map((part) => part.fill(7));
  for (const [at, part] of parts.entries()) fillDropoutBits(part, rate, KEY, at * cut);
  expect(parts.flatMap((part) => [...part])).toEqual([...bits]);
  expect(Buffer.compare(plain, fast)).toBe(0);
  const unpacked = plain.map((_, at) => ((bits[at >> 4] ?? 0) >> (at & 15)) & 1);
  expect(Buffer.compare(plain, unpacked)).toBe(0);
});

test("kept elements have the rate's share, and masks of two layers are independent", () => {
  const masks = [1, 2].map((layer) => {
    const mask = new Uint8Array(400_000);
    fillDropoutMask(mask, 0.25, { ...KEY, layer });
    return mask;
  });
  const [first, second] = masks as [Uint8Array, Uint8Array]; // proof: two layers
  const share = (kept: (at: number) => boolean) =>
    first.reduce((sum, _, at) => sum + (kept(at) ? 1 : 0), 0) / first.length;
  expect(share((at) => first[at] === 1)).toBeCloseTo(0.75, 2);
  expect(share((at) => first[at] === 1 && second[at] === 1)).toBeCloseTo(0.5625, 2);
  expect(share((at) => first[at] === 1 && first[at + 1] === 1)).toBeCloseTo(0.5625, 2);
});
