import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isScdlError } from "../../../formats/common/errors.ts";
import { ParquetFile } from "../../../formats/parquet/parquet-file.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";

interface Fixture {
  readonly base64: string;
  readonly rows: readonly Record<string, unknown>[];
}
const fixtures: Record<string, Fixture> = JSON.parse(
  gunzipSync(
    readFileSync(new URL("../../../fixtures/parquet/tables.json.gz", import.meta.url)),
  ).toString("utf8"),
);
const bytesOf = (name: string) => Buffer.from(fixtures[name]?.base64 ?? "", "base64");

function fileOf(name: string, bytes: Uint8Array = bytesOf(name)): string {
  const path = join(temporaryDirectory(), `${name}.parquet`);
  writeFileSync(path, bytes);
  return path;
}

/** Values as the fixture script wrote them: integers as text. */
function plain(value: unknown): unknown {
  const isInteger = typeof value === "bigint";
  return isInteger ? String(value) : value;
}

interface Rows {
  toArray(): ({ toJSON(): Record<string, unknown> } | null)[];
}
function rowsOf(table: Rows, integers: ReadonlySet<string>): Record<string, unknown>[] {
  return table
    .toArray()
    .map((row) =>
      Object.fromEntries(
        Object.entries(row?.toJSON() ?? {}).map(([name, value]) => [
          name,
          value !== null && integers.has(name) ? String(value) : plain(value),
        ]),
      ),
    );
}
const INTEGERS = new Set(["i8", "u32", "i64", "u64", "n"]);

test.each(Object.keys(fixtures).filter((name) => name !== "timestamp"))(
  "%s is read value by value",
  async (name) => {
    const file = ParquetFile.open(fileOf(name));
    const rows = fixtures[name]?.rows ?? [];
    expect(file.rowCount).toBe(rows.length);
    expect(rowsOf(await file.table(), INTEGERS)).toEqual(rows);
  },
);

test("columns have the width they were written with, and text is text however it was stored", async () => {
  const types = async (name: string) =>
    (await ParquetFile.open(fileOf(name)).schema()).fields.map((field) => String(field.type));
  const expected = "Utf8 Int8 Uint32 Int64 Uint64 Float32 Float64 Bool Null".split(" ");
  expect(await types("default")).toEqual(expected);
  expect(await types("no-rows")).toEqual(expected);
  expect(await types("other-types")).toEqual(["Utf8", "Float16", "Utf8"]);
  expect(await types("pandas")).toEqual(["Utf8", "Utf8", "Int32", "Utf8"]);
});

test("any range of rows and columns is that part of the whole", async () => {
  const file = ParquetFile.open(fileOf("row-groups"));
  expect(file.rowGroups).toEqual([7, 7, 6]);
  const all = fixtures["row-groups"]?.rows ?? [];
  const range = fc.tuple(fc.nat(20), fc.nat(20)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);
  await fc.assert(
    fc.asyncProperty(
      range,
      fc.subarray([...file.columns], { minLength: 1 }),
      async ([begin = 0, end = 0], columns) => {
        const reversed = columns.toReversed();
        const table = await file.table({ columns: reversed, begin, end });
        expect(table.schema.names).toEqual(reversed);
        expect(rowsOf(table, INTEGERS)).toEqual(
          all
            .slice(begin, end)
            .map((row) => Object.fromEntries(reversed.map((name) => [name, row[name]]))),
        );
      },
    ),
    { seed: 4, numRuns: 40 },
  );
});

test("batches are the row groups", async () => {
  const file = ParquetFile.open(fileOf("row-groups"));
  const sizes: number[] = [];
  for await (const batch of file.batches({ columns: ["i8"] })) sizes.push(batch.numRows);
  expect(sizes).toEqual([7, 7, 6]);
});

test("an unknown column is named with those there are", async () => {
  const file = ParquetFile.open(fileOf("pandas"));
  await expect(file.table({ columns: ["typo"] })).rejects.toThrow(
    /no column "typo" \(there is: type, note, n, __index_level_0__\)/,
  );
});

test("rows past the end are refused", async () => {
  const file = ParquetFile.open(fileOf("pandas"));
  await expect(file.table({ end: 5 })).rejects.toThrow(/row 5 is past the end, there are 4 rows/);
});

test("a file that changed its length since it was opened is noticed", async () => {
  const path = fileOf("default");
  const file = ParquetFile.open(path);
  truncateSync(path, 100);
  await expect(file.table()).rejects.toMatchObject({ code: "file-changed" });
});

/** Opens and reads everything: a typed error, or whatever the bytes now say. */
async function readAll(path: string): Promise<unknown> {
  try {
    const file = ParquetFile.open(path);
    await file.schema();
    return await file.table();
  } catch (error) {
    if (isScdlError(error)) return error;
    throw error;
  }
}

describe("damage", () => {
  test("cut at any byte, a file is a typed error that names it", async () => {
    const bytes = bytesOf("pandas");
    for (let end = 0; end < bytes.length; end++) {
      const path = "pandas.parquet";
      const error = await readAll(fileOf("pandas", bytes.subarray(0, end)));
      expect(isScdlError(error), `${path} cut at ${end}`).toBe(true);
    }
  });

  test("any flipped byte is a typed error or some value, and the next read works", async () => {
    for (const name of ["default", "gzip-v2-pages", "pandas"]) {
      const bytes = bytesOf(name);
      await fc.assert(
        fc.asyncProperty(
          fc.nat(bytes.length - 1),
          fc.integer({ min: 1, max: 255 }),
          async (at, flip) => {
            const damaged = Buffer.from(bytes);
            damaged[at] = (damaged[at] ?? 0) ^ flip;
            await readAll(fileOf(name, damaged));
          },
        ),
        { seed: 6, numRuns: 150 },
      );
      const table = await ParquetFile.open(fileOf(name)).table();
      expect(rowsOf(table, INTEGERS)).toEqual(fixtures[name]?.rows);
    }
  });

  test("a footer longer than the file is refused before it is allocated", () => {
    const bytes = bytesOf("default");
    bytes.writeUInt32LE(0xffff_fff0, bytes.length - 8);
    expect(() => ParquetFile.open(fileOf("default", bytes))).toThrow(
      /expected a footer of 4294967280 bytes, found a file of/,
    );
  });

  test("a file of another kind is named by its end", () => {
    expect(() => ParquetFile.open(fileOf("x", Buffer.from("cell,type\n1,T cell\n")))).toThrow(
      /expected "PAR1" at the end, found "ell\\n"/,
    );
  });
});
