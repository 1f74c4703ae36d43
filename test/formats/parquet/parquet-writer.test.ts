import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import * as arrow from "apache-arrow";
import { expect, test } from "vitest";
import { ParquetFile } from "../../../formats/parquet/parquet-file.ts";
import { ParquetWriter } from "../../../formats/parquet/parquet-writer.ts";
import { digestFile } from "../../../formats/scdl/checksums.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";

async function write(tables: readonly arrow.Table[], schema = tables[0]?.schema) {
  const path = join(temporaryDirectory(), "x.parquet");
  const writer = ParquetWriter.create(path, schema ?? new arrow.Schema([]));
  for (const table of tables) {
    for (const batch of table.batches) await writer.write(batch);
  }
  return { path, digest: await writer.finish() };
}

const category = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32());

function cells(begin: number, count: number): arrow.Table {
  const numbers = Array.from({ length: count }, (_, i) => begin + i);
  return new arrow.Table({
    id: arrow.vectorFromArray(
      numbers.map((i) => `AAACCTGAGAAACC-${i}`),
      new arrow.Utf8(),
    ),
    type: arrow.vectorFromArray(
      numbers.map((i) => (i % 7 === 3 ? null : `type ${(i + begin) % 5}`)),
      category,
    ),
    n: arrow.vectorFromArray(numbers, new arrow.Int32()),
    flag: arrow.vectorFromArray(
      numbers.map((i) => i % 2 === 0),
      new arrow.Bool(),
    ),
  });
}

test("batches with other dictionaries come back as one table of plain text", async () => {
  const parts = [cells(0, 10), cells(10, 3), cells(13, 20)];
  const { path } = await write(parts);
  const file = ParquetFile.open(path);
  expect(String(await file.schema())).toContain("1: type: Utf8");
  const found = (await file.table()).toArray().map(String);
  expect(found).toEqual(parts.flatMap((part) => part.toArray().map(String)));
});

test("slices of a batch are written, not what they were cut from", async () => {
  const whole = cells(0, 100);
  const { path } = await write([whole.slice(13, 37), whole.slice(90, 91)]);
  const found = (await ParquetFile.open(path).table({ columns: ["n", "id"] })).toArray();
  expect(found.length).toBe(25);
  expect(found[0]?.toJSON()).toEqual({ n: 13, id: "AAACCTGAGAAACC-13" });
  expect(found[24]?.toJSON()).toEqual({ n: 90, id: "AAACCTGAGAAACC-90" });
});

test("columns are found by name, whatever their order in the batch", async () => {
  const table = cells(0, 4);
  const { path } = await write(
    [table.select(["flag", "n"]), cells(4, 1)],
    table.select(["n", "flag"]).schema,
  );
  expect((await ParquetFile.open(path).table()).toArray().map(String)).toEqual(
    [0, 1, 2, 3, 4].map((n) => `{"n": ${n}, "flag": ${n % 2 === 0}}`),
  );
});

test("row groups stay near 8 MiB, so that memory does not grow with the table", async () => {
  // 64 rows of 1 MiB of text each.
  const table = new arrow.Table({
    text: arrow.vectorFromArray(
      Array.from({ length: 4 }, (_, i) => String(i).repeat(1 << 20)),
      new arrow.Utf8(),
    ),
  });
  const { path } = await write(Array.from({ length: 16 }, () => table));
  const file = ParquetFile.open(path);
  expect(file.rowCount).toBe(64);
  expect(Math.max(...file.rowGroups)).toBeLessThanOrEqual(8);
  const last = (await file.table({ begin: 63 })).get(0)?.toJSON();
  expect(String(last?.["text"]).length).toBe(1 << 20);
});

test("a table without rows and one without columns are files too", async () => {
  const empty = await write([], cells(0, 1).schema);
  expect(ParquetFile.open(empty.path).columns).toEqual(["id", "type", "n", "flag"]);
  expect((await ParquetFile.open(empty.path).table()).numRows).toBe(0);
  const bare = await write([]);
  expect(ParquetFile.open(bare.path).columns).toEqual([]);
});

test("the digest is that of the file", async () => {
  const { path, digest } = await write([cells(0, 1000)]);
  expect(digest).toEqual(digestFile(path));
  expect(digest.bytes).toBe(statSync(path).size);
});

test("a batch without a column of the schema is refused", async () => {
  const table = cells(0, 2);
  await expect(write([table.select(["n"])], table.schema)).rejects.toThrow(/has no column "id"/);
});

test("an existing file is not overwritten", async () => {
  const { path } = await write([cells(0, 1)]);
  expect(existsSync(path)).toBe(true);
  expect(() => ParquetWriter.create(path, cells(0, 1).schema)).toThrow(/already exists/);
});
