import { expect, test } from "vitest";
import { MemorySource } from "../../../formats/bytes/memory-source.ts";
import { hashAscii, hashName, homeOf } from "../../../formats/protein-store/name-hash.ts";
import { EMPTY, NameIndex } from "../../../formats/protein-store/name-index.ts";
import { NameIndexBuilder } from "../../../formats/protein-store/name-index-builder.ts";
import { RaggedBytes } from "../../../formats/protein-store/ragged-bytes.ts";
import { sortByHash } from "../../../formats/protein-store/sort-by-hash.ts";

function records(texts: readonly string[]): RaggedBytes {
  const offsets = new BigUint64Array(2 * texts.length + 1);
  let at = 0;
  texts.forEach((text, i) => {
    at += Buffer.byteLength(text);
    // Records without residues.
    offsets.fill(BigInt(at), 2 * i + 1, 2 * i + 3);
  });
  const bytes = new MemorySource(new Uint8Array(Buffer.from(texts.join(""))));
  return new RaggedBytes(bytes, new MemorySource(new Uint8Array(offsets.buffer)));
}

async function indexOf(names: readonly string[], hashOf = hashName) {
  const builder = new NameIndexBuilder();
  for (const name of names) {
    const bytes = Buffer.from(name);
    builder.add(hashOf(bytes, 0, bytes.length));
  }
  const parts: Uint8Array[] = [];
  const shape = await builder.build(
    { write: (bytes) => parts.push(bytes.slice()) },
    (a, b) => names[a] === names[b],
    (a, b) => {
      throw new Error(`${a} and ${b}`);
    },
    () => {},
  );
  builder[Symbol.dispose]();
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => {
    bytes.set(part, at);
    return at + part.length;
  }, 0);
  expect(bytes.length).toBe(8 * shape.slots);
  return { shape, bytes };
}

test("the hash is FNV-1a with MurmurHash3's finaliser, of text as of bytes", () => {
  // FNV-1a of "" and "a" are 0x811c9dc5 and 0xe40c292c; the finaliser as in MurmurHash3's fmix32.
  const finaliser = (h: bigint) => {
    const mix = (x: bigint, shift: bigint, by: bigint) => ((x ^ (x >> shift)) * by) & 0xffffffffn;
    const mixed = mix(mix(h, 16n, 0x85ebca6bn), 13n, 0xc2b2ae35n);
    return Number(mixed ^ (mixed >> 16n));
  };
  expect(hashAscii("")).toBe(finaliser(0x811c9dc5n));
  expect(hashAscii("a")).toBe(finaliser(0xe40c292cn));
  for (const text of ["UniRef90_A0A009GE94", "x".repeat(300)]) {
    expect(hashName(Buffer.from(text), 0, text.length)).toBe(hashAscii(text));
  }
  expect(hashAscii("ü")).toBe(-1);
});

test("homes are the exact quotient, at every size", () => {
  for (const homes of [1, 3, 1000, 249_842_691, 2 ** 33 - 1]) {
    for (const hash of [0, 1, 65_535, 65_536, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]) {
      expect(homeOf(hash, homes)).toBe(Number((BigInt(hash) * BigInt(homes)) >> 32n));
    }
  }
});

test("pairs of one part are sorted by hash, equal ones in the order of rows", () => {
  const hashes = Array.from({ length: 5000 }, (_, i) => 0xab000000 + ((i * 7919) % 1000) * 16001);
  const { hashes: sorted, rows } = sortByHash(Uint32Array.from(hashes.flatMap((h, i) => [h, i])));
  const expected = hashes
    .map((hash, i) => [hash, i] as const)
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  expect([...sorted]).toEqual(expected.map(([hash]) => hash));
  expect([...rows]).toEqual(expected.map(([, row]) => row));
});

test("every one of 560,000 names is found through blocks on disk, and no other", async () => {
  const names = Array.from({ length: 560_000 }, (_, i) => `P${(i * 2_654_435_761) % 2 ** 32}`);
  const { shape, bytes } = await indexOf(names);
  const index = new NameIndex(new MemorySource(bytes), shape, records(names));
  let wrong = 0;
  for (let i = 0; i < names.length; i += 3) {
    if (index.find(names[i] ?? "") !== i) wrong++;
    if (i % 30 === 0 && index.find(`Q${i}`) !== -1) wrong++;
  }
  expect(wrong).toBe(0);
  expect(shape.homes).toBe(Math.ceil((560_000 * 4) / 3));
  expect(shape.longestProbe).toBeLessThan(60);
});

test("names of one hash are told apart, past the last home too", async () => {
  const names = Array.from({ length: 500 }, (_, i) => `ü${i}`);
  const { shape, bytes } = await indexOf(names, () => 0xffffffff);
  expect(shape.longestProbe).toBe(499);
  expect(shape.slots).toBe(shape.homes + 499);
  // The hash in the slots is the one searched for: replaced by the true hash of the name wanted.
  const words = new Uint32Array(bytes.buffer);
  for (const i of [0, 250, 499]) {
    const name = Buffer.from(names[i] ?? "");
    const hash = hashName(name, 0, name.length);
    const moved = new Uint32Array(2 * shape.slots).fill(EMPTY);
    const home = homeOf(hash, shape.homes);
    for (let k = 0; k < 500 && home + k < shape.slots; k++) {
      moved[2 * (home + k)] = hash;
      moved[2 * (home + k) + 1] = words[2 * (shape.homes - 1 + k) + 1] ?? 0;
    }
    const index = new NameIndex(
      new MemorySource(new Uint8Array(moved.buffer)),
      shape,
      records(names),
    );
    const isReached = home + i < shape.slots;
    expect(index.find(names[i] ?? "")).toBe(isReached ? i : -1);
  }
});

test("a name given twice is reported, also among equal hashes", async () => {
  await expect(indexOf(["a", "b", "a"])).rejects.toThrow("0 and 2");
  await expect(indexOf(["a", "b", "c", "b"], () => 7)).rejects.toThrow("1 and 3");
});
