import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError } from "../../../formats/common/errors.ts";
import { decodeThrift, encodeThrift, ThriftType } from "../../../formats/parquet/thrift.ts";

const fixtures: Record<string, { base64: string }> = JSON.parse(
  gunzipSync(
    readFileSync(new URL("../../../fixtures/parquet/tables.json.gz", import.meta.url)),
  ).toString("utf8"),
);

test("footers of pyarrow and pandas keep their bytes when decoded and encoded again", () => {
  for (const [name, { base64 }] of Object.entries(fixtures)) {
    const file = Buffer.from(base64, "base64");
    const length = file.readUInt32LE(file.length - 8);
    const footer = file.subarray(file.length - 8 - length, file.length - 8);
    const encoded = encodeThrift(decodeThrift(footer, name));
    expect(Buffer.from(encoded).equals(footer), name).toBe(true);
  }
});

test("integers of every size survive", () => {
  const big = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  fc.assert(
    fc.property(fc.oneof(fc.maxSafeInteger(), big), (value) => {
      const tree = new Map([[3, { type: ThriftType.i64, value }]]);
      const decoded = decodeThrift(encodeThrift(tree), "x").get(3)?.value;
      expect(BigInt(Number(decoded) === decoded ? decoded : String(decoded))).toBe(BigInt(value));
    }),
    { seed: 9 },
  );
});

test("hostile bytes end in a FormatError after little work", () => {
  // A list of 2^31 structs, and structs nested without end.
  const list = Buffer.from([0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07]);
  expect(() => decodeThrift(list, "x")).toThrow(/claims 2147483647 bytes or items where 0/);
  expect(() => decodeThrift(Buffer.alloc(100_000, 0x1c), "x")).toThrow(/nested deeper than 32/);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeThrift(bytes, "x");
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
    { seed: 8, numRuns: 500 },
  );
});
