import { expect, test } from "vitest";
import { ElementSource } from "../../../formats/bytes/element-source.ts";
import { MemorySource } from "../../../formats/bytes/memory-source.ts";
import { contentHash } from "../../../src/dataset/content-hash.ts";

function elements(bytes: Uint8Array): ElementSource {
  return new ElementSource(new MemorySource(bytes), { dtype: "uint8", length: bytes.byteLength });
}

test("a small file counts byte by byte, also where files meet", () => {
  const bytes = Uint8Array.from({ length: 9000 }, (_, i) => i % 251);
  const hash = contentHash([elements(bytes)]);
  for (const at of [0, 4095, 4096, 8191, 8192, 8999]) {
    const changed = bytes.slice();
    changed[at] = 255;
    expect(contentHash([elements(changed)]), `byte ${at}`).not.toBe(hash);
  }
  const parts = [bytes.subarray(0, 3000), bytes.subarray(3000)];
  expect(contentHash(parts.map(elements))).toBe(contentHash(parts.map(elements)));
  expect(contentHash([elements(new Uint8Array(0))])).toBe("00000000");
});

test("a file of 10 GB costs 32 reads of 4 KiB, of its first and last byte too", () => {
  const reads: number[] = [];
  const length = 10 * 2 ** 30;
  const readInto = (offset: number, target: Uint8Array) => {
    reads.push(offset, offset + target.byteLength);
  };
  contentHash([{ length, itemBytes: 1, source: { readInto } }]);
  expect(reads).toHaveLength(64);
  expect([reads[0], reads.at(-1)]).toEqual([0, length]);
  expect(reads.every((at, i) => i === 0 || at >= (reads[i - 1] as number))).toBe(true);
});
