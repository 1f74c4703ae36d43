import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import {
  applyBertPretrainingMask,
  BertMaskConfig,
  type BertMaskOptions,
} from "../../../src/tokenize/bert-mask.ts";
import { type Kept, kept, readGolden } from "../random/golden.ts";

interface Golden {
  readonly masks: readonly (readonly [
    length: number,
    stride: number,
    vocab: number,
    specialIds: readonly number[],
    maskId: number,
    low: number,
    high: number,
    maskProb: number,
    maskTokenProb: number,
    randomTokenProb: number,
    seed: string,
    text: Kept,
    labels: Kept,
    lossMask: Kept,
  ])[];
}

const golden = readGolden<Golden>("tokenize/bert-masks");
const ESM: BertMaskOptions = { specialIds: [0, 1, 2, 3, 32], maskId: 32, randomTokens: [0, 33] };

/** The masked tokens as "position:before->after". */
function changes(tokens: Int32Array, seed: bigint, options: BertMaskOptions): string {
  const { text, labels, lossMask } = applyBertPretrainingMask(
    tokens,
    seed,
    new BertMaskConfig(options),
  );
  const shown: string[] = [];
  for (const [i, token] of tokens.entries()) {
    expect(labels[i]).toBe(lossMask[i] === 1 ? token : -100);
    if (lossMask[i] === 1) shown.push(`${i}:${token}->${text[i]}`);
    else expect(text[i]).toBe(token);
  }
  return shown.join(", ");
}

describe("masks are BioNeMo's", () => {
  test("for ESM-2 and Geneformer, every corner of the probabilities, lengths around torch's block", () => {
    expect(golden.masks.length).toBeGreaterThan(250);
    for (const row of golden.masks) {
      const [length, stride, vocab, specialIds, maskId, low, high, p, m, q, seed, ...expected] =
        row;
      const tokens = Int32Array.from({ length }, (_, i) => (7 + i * stride) % vocab);
      const config = new BertMaskConfig({
        specialIds,
        maskId,
        randomTokens: [low, high],
        maskProb: p,
        maskTokenProb: m,
        randomTokenProb: q,
      });
      const masked = applyBertPretrainingMask(tokens, BigInt(seed), config);
      const found = [masked.text, masked.labels, Int32Array.from(masked.lossMask)].map(kept);
      expect(found, JSON.stringify(row)).toEqual(expected);
    }
  });

  test("the published ones", () => {
    const tokens = Int32Array.from([0, ...Array.from({ length: 60 }, (_, i) => 4 + (i % 20)), 2]);
    const acids: BertMaskOptions = { ...ESM, randomTokens: [4, 24] };
    expect(changes(tokens, 0n, ESM)).toBe(
      "2:5->32, 3:6->3, 12:15->32, 27:10->32, 35:18->32, 43:6->32, 44:7->7, 57:20->32",
    );
    expect(changes(tokens, 0n, acids)).toContain("3:6->7");
    expect(changes(tokens, 7138484576005690179n, ESM)).toBe(
      "13:16->32, 44:7->7, 54:17->32, 56:19->32, 57:20->32, 60:23->32",
    );
  });
});

test("tokens stay as they are, special ids are never masked, random ids are in their range", () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 }),
      fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      share,
      share,
      share,
      (ids, seed, maskProb, maskTokenProb, left) => {
        const tokens = Int32Array.from(ids);
        const randomTokenProb = Math.max(0, (1 - maskTokenProb) * left - 1e-12);
        const options = { maskProb, maskTokenProb, randomTokenProb, randomTokens: [50, 53] };
        const config = new BertMaskConfig({ ...ESM, ...options, randomTokens: [50, 53] });
        const { text, labels, lossMask } = applyBertPretrainingMask(tokens, seed, config);
        expect([...tokens]).toEqual(ids);
        for (const [i, id] of ids.entries()) {
          const isSpecial = config.specialIds.includes(id);
          expect(lossMask[i] === 1 && isSpecial).toBe(false);
          expect(labels[i]).toBe(lossMask[i] === 1 ? id : -100);
          const after = text[i] as number;
          expect(after === id || (lossMask[i] === 1 && [32, 50, 51, 52].includes(after))).toBe(
            true,
          );
        }
      },
    ),
  );
});

test("the same seed gives the same mask, also when its high bits differ, as torch's do", () => {
  const tokens = new Int32Array(100).fill(5);
  const config = new BertMaskConfig(ESM);
  const first = applyBertPretrainingMask(tokens, 5, config);
  expect(applyBertPretrainingMask(tokens, 2 ** 32 + 5, config)).toEqual(first);
  expect(applyBertPretrainingMask(tokens, 6, config)).not.toEqual(first);
});

test.each([
  [{ maskProb: 1.1 }, "maskProb is 1.1, expected 0 to 1"],
  [{ maskProb: Number.NaN }, "maskProb is NaN"],
  [{ maskTokenProb: -0.1 }, "maskTokenProb is -0.1"],
  [{ maskTokenProb: 0.8, randomTokenProb: 0.3 }, "must be less than or equal to 1.0. It is 1.1"],
  [{ maskId: -1 }, "maskId: -1 is no token id"],
  [{ specialIds: [0, 1.5] }, "specialIds: 1.5 is no token id"],
  [{ specialIds: [2 ** 31] }, "specialIds: 2147483648 is no token id"],
  [{ randomTokens: [5, 5] as const }, "randomTokens is [5, 5), expected at least one id"],
  [{ randomTokens: [-1, 5] as const }, "randomTokens: -1 is no token id"],
])("%j is refused", (changed, message) => {
  const make = () => new BertMaskConfig({ ...ESM, ...changed });
  expect(make).toThrow(InvalidArgumentError);
  expect(make).toThrow(message);
});

test("a seed that torch refuses is refused", () => {
  const config = new BertMaskConfig(ESM);
  expect(() => applyBertPretrainingMask(new Int32Array(1), 2n ** 64n, config)).toThrow(
    InvalidArgumentError,
  );
});
