import fs from "node:fs";
import path from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { openTable } from "../../../formats/table/open-table.ts";
import type { TableRow } from "../../../formats/table/table.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";

function write(name: string, content: string | Uint8Array): string {
  const file = path.join(temporaryDirectory(), name);
  fs.writeFileSync(file, content);
  return file;
}

async function rowsOf(file: string, columns: readonly string[]): Promise<TableRow[]> {
  const rows: TableRow[] = [];
  for await (const row of (await openTable(file)).rows(columns)) rows.push(row);
  return rows;
}

test("CSV: quotes, line breaks in fields, empty lines and fields, a byte order mark", async () => {
  const text = '\ufeffid,note,"a ""b"""\r\n1,"x, y","p\nq"\r\n\r\n2,,\u00e9\r\n';
  const file = write("a.csv", text);
  expect((await openTable(file)).columns).toEqual(["id", "note", 'a "b"']);
  expect(await rowsOf(file, ['a "b"', "id", "note"])).toEqual([
    { place: "line 3", cells: ["p\nq", "1", "x, y"] },
    { place: "line 5", cells: ["\u00e9", "2", null] },
  ]);
});

test("TSV and JSON lines by their extension", async () => {
  const tsv = write("a.tsv", "a\tb,c\n1\t2\n");
  expect(await rowsOf(tsv, ["b,c"])).toEqual([{ place: "line 2", cells: ["2"] }]);
  const json = write("a.jsonl", '{"a":1,"b":null}\n\n{"b":[1,"x"],"c":true}\n');
  expect(await rowsOf(json, ["b", "c", "a"])).toEqual([
    { place: "line 1", cells: [null, null, 1] },
    { place: "line 3", cells: [[1, "x"], true, null] },
  ]);
  await expect(rowsOf(json, ["d"])).rejects.toMatchObject({ code: "no-such-column" });
});

test("tables of text compressed with gzip or zstd", async () => {
  const csv = write("a.csv.gz", gzipSync("a,b\n1,2\n"));
  expect(await rowsOf(csv, ["b"])).toEqual([{ place: "line 2", cells: ["2"] }]);
  const json = write("a.jsonl.zst", zstdCompressSync('{"a":1}\n'));
  expect(await rowsOf(json, ["a"])).toEqual([{ place: "line 1", cells: [1] }]);
});

test("parquet by its first bytes, whatever it is called", async () => {
  const file = write("proteins.csv", fs.readFileSync("fixtures/finetune/residues.parquet"));
  expect((await openTable(file)).columns).toEqual(["sequences", "labels", "resolved", "weight"]);
  const rows = await rowsOf(file, ["weight", "labels"]);
  expect(rows.map(({ place }) => place)).toEqual(rows.map((_, i) => `row ${i}`));
  expect(rows.map(({ cells }) => cells[0])).toEqual(rows.map((_, i) => i / 4));
  expect(rows[3]?.cells[1]).toEqual(["E", "H", "~", "H", "E"]);
  await expect(rowsOf(file, ["no such"])).rejects.toMatchObject({ code: "no-such-column" });
});

test.each([
  ["a.csv", "", "empty-table", "expected a header line"],
  ["a.csv", "a,a\n1,2\n", "duplicate-column", 'two columns are called "a"'],
  ["a.csv", "a,b\n1,2\n3\n", "bad-row", "line 3 has 1 fields, the header has 2"],
  ["a.csv", 'a,b\n"1,2\n3,4\n', "open-quote", "is never closed"],
  ["a.csv", 'a,b\n"1"x,2\n', "bad-row", "line 2"],
  ["a.csv", Buffer.from("a,b\n\xff,1\n", "latin1"), "not-utf8", "line 2 is not UTF-8"],
  ["a.jsonl", "\n", "empty-table", "one JSON object per line"],
  ["a.jsonl", '{"a":1}\n{"a":NaN}\n', "bad-row", "line 2 is not JSON"],
  ["a.jsonl", '{"a":1}\n[1]\n', "bad-row", "line 2: expected a JSON object"],
  ["a.csv", gzipSync("a,b\n1,2\n").subarray(0, 20), "truncated", "unexpected end of file"],
  ["a.jsonl", gzipSync('{"a":1}\n'.repeat(99)).subarray(0, 25), "truncated", "unexpected end"],
  ["a.csv", Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]), "unsupported", "compressed with xz"],
  ["a.xlsx", Buffer.from("PK\u0003\u0004"), "unsupported", "Excel"],
  ["a.parquet", Buffer.from("PAR1"), "truncated", "at least 12 bytes"],
])("a damaged table: %s %j", async (name, content, code, message) => {
  await expect(rowsOf(write(name, content), ["a"])).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
});

test("a file cut anywhere is a typed error or a table of fewer rows, never another one", async () => {
  const text = 'a,b\n1,"x ""y"""\n22,"p\nq"\n';
  const whole = await rowsOf(write("a.csv", text), ["a"]);
  for (let length = 0; length < text.length; length++) {
    const rows = await rowsOf(write(`${length}.csv`, text.slice(0, length)), ["a"]).catch(
      (error: unknown) => {
        expect(error).toMatchObject({ code: expect.any(String), message: expect.any(String) });
        return [];
      },
    );
    expect(rows.length).toBeLessThanOrEqual(whole.length);
    for (const [i, row] of rows.slice(0, -1).entries()) expect(row).toEqual(whole[i]);
  }
});
