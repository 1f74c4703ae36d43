import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { expect, it } from "vitest";
import { RowPointerWriter } from "../../../src/convert/row-pointers.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";

it("row pointers of several files count on, in the type that was planned", () => {
  const file = path.join(temporaryDirectory(), "row_ptr.npy");
  const rows = new RowPointerWriter(file, "uint16");
  rows.append(Float64Array.of(0, 3, 3, 200));
  rows.append(Float64Array.of(0, 100));
  // The second block of a file begins where its first ended.
  rows.append(Float64Array.of(100, 160));
  const { dtype, bytes, crc32 } = rows.finish();
  const written = fs.readFileSync(file);
  expect(rows.nnz).toBe(360);
  expect([dtype, bytes, crc32]).toEqual(["uint16", 12, zlib.crc32(written)]);
  const pointers = new Uint16Array(written.buffer, written.byteOffset, written.length / 2);
  expect([...pointers]).toEqual([0, 3, 3, 200, 300, 360]);
});

it("row pointers of unknown total are narrowed at the end and leave no second file", () => {
  const directory = temporaryDirectory();
  const file = path.join(directory, "row_ptr.npy");
  const rows = new RowPointerWriter(file, null);
  const many = Float64Array.from({ length: 300_001 }, (_, row) => Math.floor(row / 2000));
  rows.append(many);
  expect(rows.finish()).toMatchObject({ dtype: "uint8", bytes: 300_001 });
  expect(fs.readFileSync(file).equals(Buffer.from(Uint8Array.from(many)))).toBe(true);
  expect(fs.readdirSync(directory)).toEqual(["row_ptr.npy"]);
});
