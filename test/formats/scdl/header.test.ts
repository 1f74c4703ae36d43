import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError } from "../../../formats/common/errors.ts";
import {
  arrayDType,
  decodeHeader,
  encodeHeader,
  type HeaderDType,
  type ScdlHeader,
} from "../../../formats/scdl/header.ts";
import { loadBundle, unpack } from "../../helpers/bundle.ts";

const head = loadBundle("head");
const bytesOf = (name: string) =>
  new Uint8Array(readFileSync(join(unpack(head, name), "header.sch")));
const minimal: ScdlHeader = {
  version: [0, 1, 0],
  backend: "memmap-v0",
  arrays: [{ name: "DATA", length: 5, dtype: "float32", shape: null }],
  featureIndexes: [],
};

test("a header of the original decodes to its arrays and files", () => {
  const header = decodeHeader(bytesOf("a"), "header.sch");
  expect(header.version).toEqual([0, 1, 0]);
  expect(header.arrays).toEqual([
    { name: "DATA", length: 24, dtype: "float32", shape: null },
    { name: "ROWPTR", length: 9, dtype: "uint8", shape: null },
    { name: "COLPTR", length: 24, dtype: "uint8", shape: null },
  ]);
  expect(header.featureIndexes[0]).toEqual({
    name: "var_features",
    length: 8,
    dtype: "string",
    files: [
      "var_features/cumulative_sum_index.npy",
      "var_features/labels.json",
      "var_features/version.npy",
      "var_features/dataframe_0.parquet",
    ],
    shape: null,
  });
  expect(arrayDType(header, "COLPTR")).toBe("uint8");
});

test("decoded and encoded again, every header of the original keeps its bytes", () => {
  for (const name of ["a", "c", "uint8", "abc", "empty", "stale-header-concat"]) {
    const bytes = bytesOf(name);
    expect(encodeHeader(decodeHeader(bytes, name)), name).toEqual(bytes);
  }
});

const names = fc.stringMatching(/^[A-Za-zéß_][\w/ .-]{0,20}$/);
const shapes = fc.option(
  fc.array(fc.integer({ min: 1, max: 2 ** 32 - 1 }), { minLength: 1, maxLength: 4 }),
);
const dtypes = fc.constantFrom<HeaderDType>("uint8", "uint64", "float16", "string", "fixed-string");
const lengths = fc.nat(Number.MAX_SAFE_INTEGER);

test("any valid header survives encoding", () => {
  const array = fc.record({ name: names, length: lengths, dtype: dtypes, shape: shapes });
  const index = fc.record({
    name: names,
    length: lengths,
    dtype: dtypes,
    files: fc.array(names, { maxLength: 3 }),
    shape: shapes,
  });
  const unique = fc
    .tuple(fc.array(array, { maxLength: 3 }), fc.array(index, { maxLength: 3 }))
    .filter(([arrays, indexes]) => {
      const all = [...arrays, ...indexes].map(({ name }) => name);
      return new Set(all).size === all.length;
    });
  fc.assert(
    fc.property(unique, ([arrays, featureIndexes]) => {
      const header: ScdlHeader = { ...minimal, arrays, featureIndexes };
      expect(decodeHeader(encodeHeader(header), "x")).toEqual(header);
    }),
    { seed: 1, numRuns: 200 },
  );
});

describe("reading", () => {
  test("cut at any byte it is an error that names file and place, or the arrays are whole", () => {
    const bytes = bytesOf("a");
    // 16 bytes of core, then DATA, ROWPTR and COLPTR.
    const arraysEnd = 16 + (4 + 4 + 13) + 2 * (4 + 6 + 13);
    for (let end = 0; end < bytes.length; end++) {
      const cut = bytes.subarray(0, end);
      if (end >= arraysEnd && end < arraysEnd + 4) {
        // As the original: fewer than four bytes after the arrays are ignored.
        expect(decodeHeader(cut, "h").arrays.length).toBe(3);
      } else {
        expect(() => decodeHeader(cut, "dir/header.sch")).toThrow(FormatError);
        expect(() => decodeHeader(cut, "dir/header.sch")).toThrow(/^dir\/header\.sch: /);
      }
    }
  });

  test("trailing bytes and any version are accepted", () => {
    const bytes = bytesOf("a");
    bytes.set([7, 8, 9], 4);
    const header = decodeHeader(Buffer.concat([bytes, Buffer.from("more")]), "h");
    expect(header.version).toEqual([7, 8, 9]);
  });

  test.each([
    [0, "SCDX", /expected "SCDL", found bytes 53434458/],
    [7, "\x00", /expected endianness 1, found 0/],
    [8, "\x00\x00\x00\x02", /expected backend 1 \(MEMMAP_V0\), found 2/],
    [32, "\x00\x00\x00\x0a", /expected a dtype code of 1 to 9, found 10/],
    [20, "\xff\xfe", /expected UTF-8 text/],
    [24, "\xff", /array length is 18374686479671623\d+, expected 0 to 2\^53-1/],
    [12, "\xff\xff\xff\xff", /expected a dtype code/],
  ])("byte %d set to %j is refused", (offset, text, message) => {
    const bytes = bytesOf("a");
    bytes.set(Buffer.from(text, "latin1"), offset);
    expect(() => decodeHeader(bytes, "h")).toThrow(message);
  });
});

describe("writing", () => {
  const array = (change: object) => ({
    ...minimal,
    arrays: [{ name: "A", length: 1, dtype: "uint8" as const, shape: null, ...change }],
  });
  test.each([
    ["a newer major version", { ...minimal, version: [1, 0, 0] as const }, /newer/],
    ["a blank name", array({ name: "  " }), /blank/],
    ["a long name", array({ name: "é".repeat(513) }), /longer than 1024 bytes/],
    ["a lone surrogate", array({ name: "\ud800" }), /not valid UTF-8/],
    ["a negative length", array({ length: -1 }), /not a count/],
    ["an empty shape", array({ shape: [] }), /shape is empty/],
    ["a zero dimension", array({ shape: [3, 0] }), /dimension/],
    ["a name used twice", { ...minimal, arrays: [...minimal.arrays, ...minimal.arrays] }, /twice/],
    [
      "an index named as an array",
      {
        ...minimal,
        featureIndexes: [
          { name: "DATA", length: 0, dtype: "string" as const, files: [], shape: null },
        ],
      },
      /twice/,
    ],
    [
      "a blank file name",
      {
        ...minimal,
        featureIndexes: [
          { name: "var", length: 0, dtype: "string" as const, files: [""], shape: null },
        ],
      },
      /blank/,
    ],
  ])("%s is refused", (_, header, message) => {
    expect(() => encodeHeader(header)).toThrow(message);
  });
});
