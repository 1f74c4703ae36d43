import { constants, zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { decompressed } from "../../../formats/bytes/decompress.ts";
import { defaultRng } from "../../../src/random/numpy-generator.ts";

const rng = defaultRng(5);
const random = Uint8Array.from({ length: 150 }, () => rng.integer(0, 256));
const withChecksum = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
/** What they hold, and the frame: repeated bytes, bytes as they are, none, several blocks. */
const FRAMES = [
  [new Uint8Array(1000).fill(7), {}],
  [random, withChecksum],
  [new Uint8Array(0), withChecksum],
  [Uint8Array.from({ length: 140_000 }, (_, i) => (i >> 9) & 255), {}],
  [random.subarray(0, 40), {}],
] as const;
const frames = FRAMES.map(([bytes, options]) => zstdCompressSync(bytes, options));
const skippable = Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3);
const plain = Buffer.concat(FRAMES.map(([bytes]) => bytes));
const parts = [...frames.slice(0, 2), skippable, ...frames.slice(2)];
const file = Buffer.concat(parts);

async function read(bytes: Uint8Array, chunkBytes = bytes.length): Promise<Buffer> {
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      yield bytes.subarray(at, at + chunkBytes);
    }
  }
  const found: Uint8Array[] = [];
  for await (const chunk of decompressed(chunks(), "zstd", "a.zst")) found.push(chunk);
  return Buffer.concat(found);
}

// Node's decoder alone drops all frames of a chunk but the first.
test.each([file.length, 1, 7, 1000])(
  "all frames are read, in chunks of %i bytes",
  async (bytes) => {
    expect((await read(file, bytes)).equals(plain)).toBe(true);
  },
);

// Node 22.15 and 25 give what was whole, and no error.
test("cut at any byte it is an error, but between frames", async () => {
  const ends = new Set(parts.map((_, i) => Buffer.concat(parts.slice(0, i + 1)).length));
  let whole = 0;
  for (let cut = 1; cut < file.length; cut++) {
    const found = await read(file.subarray(0, cut)).catch((error: unknown) => error);
    if (ends.has(cut)) whole += Buffer.isBuffer(found) ? 1 : 0;
    else expect(found, `byte ${cut}`).toMatchObject({ code: "truncated", path: "a.zst" });
  }
  expect(whole).toBe(parts.length - 1);
});

test("what follows a frame and is no zstd is an error", async () => {
  const bytes = Buffer.concat([file, Buffer.from("something else")]);
  await expect(read(bytes)).rejects.toMatchObject({ name: "FormatError", code: "bad-zstd" });
});
