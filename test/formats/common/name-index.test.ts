import { expect, test } from "vitest";
import { hashOf, NameIndex } from "../../../formats/common/name-index.ts";

const encoder = new TextEncoder();

test("every name is found, no other is, and an earlier one of the same name is told", () => {
  const names = Array.from({ length: 5000 }, (_, row) => `UniRef90_${(row * 7919) % 4000}`);
  const index = new NameIndex(names.length);
  const first = new Map<string, number>();
  names.forEach((name, row) => {
    const earlier = index.add(row, hashOf(encoder.encode(name)), (other) => names[other] === name);
    expect(earlier).toBe(first.get(name) ?? -1);
    if (earlier < 0) first.set(name, row);
  });
  for (const [name, row] of first) {
    expect(index.find(hashOf(encoder.encode(name)), (other) => names[other] === name)).toBe(row);
  }
  let compared = 0;
  for (let i = 0; i < 1000; i++) {
    const hash = hashOf(encoder.encode(`absent ${i}`));
    const found = index.find(hash, () => {
      compared++;
      return false;
    });
    expect(found).toBe(-1);
  }
  // Tags of the hash leave few rows to compare.
  expect(compared).toBeLessThan(10);
});

test("an index without rows, and one of 187 million within 1 GiB with the starts of their lines", () => {
  expect(new NameIndex(0).find(7, () => true)).toBe(-1);
  const lineStarts = 8 * 2 ** 22;
  expect(new NameIndex(187_382_018).byteLength + lineStarts).toBeLessThan(2 ** 30);
});
