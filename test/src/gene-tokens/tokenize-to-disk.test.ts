import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ParquetFile } from "../../../formats/parquet/parquet-file.ts";
import {
  decodeTokenHeader,
  TOKEN_LAYOUTS,
  type TokenLayout,
} from "../../../formats/tokens/layout.ts";
import { CellTokenizer } from "../../../src/gene-tokens/cell-tokenizer.ts";
import { GeneVocabulary } from "../../../src/gene-tokens/gene-vocabulary.ts";
import { TokenDataset } from "../../../src/gene-tokens/token-dataset.ts";
import {
  type TokenizeToDiskOptions,
  tokenizeToDisk,
} from "../../../src/gene-tokens/tokenize-to-disk.ts";
import { WebDataset } from "../../../src/webdataset/web-dataset.ts";
import { writeGeneDataset } from "../../helpers/gene-dataset.ts";
import { hasProc, unreapedChild } from "../../helpers/zombie.ts";

interface Case {
  readonly columns: readonly number[];
  readonly indptr: readonly number[];
  readonly indices: readonly number[];
  readonly data: readonly number[];
  readonly nCounts: readonly number[];
  readonly cells: readonly number[];
  readonly ids: readonly (readonly number[])[];
}
const golden: {
  readonly genes: readonly string[];
  readonly tokens2: Readonly<Record<string, number>>;
  readonly medians2: Readonly<Record<string, number>>;
  readonly mapping: Readonly<Record<string, string>>;
  readonly cases: readonly Case[];
} = JSON.parse(
  readFileSync(new URL("../../../fixtures/gene-tokens/official.json", import.meta.url), "utf8"),
);
const example = golden.cases[0] as Case;
const ROWS = example.nCounts.length;
const folder = mkdtempSync(join(tmpdir(), "scdl-tokens-"));
const at = (name: string) => join(folder, name);
const inputs = [at("a.scdl"), at("b.scdl")];

const tokenizer = new CellTokenizer({
  vocabulary: new GeneVocabulary(new Map(Object.entries(golden.tokens2)), "V2"),
  medians: new Map(Object.entries(golden.medians2)),
  mapping: new Map(Object.entries(golden.mapping)),
  maxTokens: 48,
});
/** The cells of both data sets: the second's rows follow the first's. */
const expectedIds = [...example.ids, ...example.ids];
const expectedRows = [...example.cells, ...example.cells.map((row) => row + ROWS)];

beforeAll(async () => {
  for (const path of inputs) {
    await writeGeneDataset(path, {
      genes: example.columns.map((column) => golden.genes[column] ?? ""),
      column: "ensembl_id",
      data: Float32Array.from(example.data),
      indices: example.indices,
      indptr: example.indptr,
      obs: {
        n_counts: Int32Array.from(example.nCounts),
        score: Float32Array.from({ length: ROWS }, (_, row) => row / 4),
      },
    });
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, options: Partial<TokenizeToDiskOptions> = {}) {
  return tokenizeToDisk(inputs, tokenizer, { output: at(name), cellsPerPart: 7, ...options });
}

function filesOf(directory: string) {
  const names = readdirSync(directory).sort();
  return names.map((name) => [name, readFileSync(join(directory, name))] as const);
}

test("mapped: any cell is the official tokenizer's, with its row and its obs", async () => {
  const written = await write("mapped", { obs: ["score"] });
  expect(written).toMatchObject({ cells: 36, tokens: expectedIds.flat().length, leftOut: 4 });
  for (const access of ["map", "read"] as const) {
    using tokens = TokenDataset.open(at("mapped"), { access });
    expect(tokens.length).toBe(36);
    const items = Array.from({ length: 36 }, (_, idx) => tokens.at({ epoch: 3, idx }));
    expect(items.map(({ inputIds }) => [...inputIds])).toEqual(expectedIds);
    expect(items.map(({ row }) => row)).toEqual(expectedRows);
    expect(tokens.lengthOf(35)).toBe(expectedIds[35]?.length);
    expect(() => tokens.at({ epoch: 0, idx: 36 })).toThrow("cell 36 does not exist");
    const obs = await tokens.obs();
    const scores = Array.from(obs?.getChild("score") ?? [], Number);
    expect(scores).toEqual(expectedRows.map((row) => (row % ROWS) / 4));
    expect(tokens.header.model).toMatchObject({ name: "V2", padId: 0, clsId: 2, eosId: 3 });
    tokens.verify();
  }
});

test("parquet: the columns of Geneformer's files, obs between them", async () => {
  await write("parquet", { format: "parquet", obs: ["score"] });
  const found: unknown[][] = [];
  const names = readdirSync(at("parquet")).filter((name) => name.endsWith(".parquet"));
  expect(names.length).toBe(6);
  for (const name of names.sort()) {
    const file = ParquetFile.open(join(at("parquet"), name));
    expect(file.columns).toEqual(["input_ids", "score", "length"]);
    const table = await file.table();
    expect(table.schema.fields.map(({ type }) => String(type))).toEqual([
      "List<Int64>",
      "Float32",
      "Int64",
    ]);
    for (const row of table) {
      const ids = Array.from(row["input_ids"] as Iterable<bigint>, Number);
      found.push([ids, row["score"], Number(row["length"])]);
    }
  }
  expect(found).toEqual(
    expectedIds.map((ids, i) => [ids, ((expectedRows[i] ?? 0) % ROWS) / 4, ids.length]),
  );
  expect(() => TokenDataset.open(at("parquet"))).toThrow("holds tokens as parquet");
});

test("webdataset: a sample a cell, its key the row", async () => {
  await write("shards", { format: "webdataset", obs: ["score"] });
  const names = readdirSync(at("shards")).filter((name) => name.endsWith(".tar"));
  const shards = names.sort().map((name) => join(at("shards"), name));
  const found: [string, number[], unknown][] = [];
  for await (const sample of new WebDataset(shards).decode()) {
    const { data } = sample["input_ids.npy"] as unknown as { data: Int32Array };
    found.push([String(sample["__key__"]), [...data], sample["obs.json"]]);
  }
  expect(found).toEqual(
    expectedIds.map((ids, i) => {
      const row = expectedRows[i] ?? 0;
      return [String(row).padStart(12, "0"), ids, { score: (row % ROWS) / 4 }];
    }),
  );
});

/** Stops the run when that many rows of blocks were done. */
async function stopped(name: string, format: TokenLayout, afterBlocks: number) {
  const stop = new AbortController();
  let blocks = 0;
  const onProgress = () => {
    if (++blocks === afterBlocks) stop.abort(new Error("stopped"));
  };
  const options = { format, obs: ["score"], resume: true, signal: stop.signal, onProgress };
  await expect(write(name, options)).rejects.toThrow("stopped");
}

test.each(TOKEN_LAYOUTS)("%s: a stopped run goes on to the same bytes", async (format) => {
  const options = { format, obs: ["score"] } as const;
  await write(`whole-${format}`, options);
  const name = `resumed-${format}`;
  await stopped(name, format, 1);
  expect(existsSync(at(name))).toBe(false);
  // A crash: the lock of a dead process, half a line, bytes and files of a part that did not end.
  const unfinished = `${at(name)}.unfinished`;
  const { hostname } = await import("node:os");
  writeFileSync(join(unfinished, ".running"), `${hostname()} 4194304`);
  appendFileSync(join(unfinished, ".journal"), '{"cells":7,"tok');
  writeFileSync(join(unfinished, "part.parquet"), "half");
  writeFileSync(join(unfinished, ".cells-000005.tar.tmp-1-ab"), "half");
  const grown = readdirSync(unfinished).find((file) => file === "ids.bin");
  if (grown !== undefined) appendFileSync(join(unfinished, grown), "half a part");
  const kept = readdirSync(unfinished).filter((file) =>
    /^(ids|tokens-0|cells-0).*[nrt]$/.test(file),
  );
  const inodes = (directory: string) => kept.map((file) => statSync(join(directory, file)).ino);
  const before = inodes(unfinished);
  expect(kept.length).toBe(format === "mapped" ? 1 : 2);
  await write(name, { ...options, resume: true });
  expect(inodes(at(name))).toEqual(before);
  expect(filesOf(at(name))).toEqual(filesOf(at(`whole-${format}`)));
  expect(existsSync(unfinished)).toBe(false);
});

test("without resume nothing is left of a stopped run; outputs are not replaced unasked", async () => {
  const before = readdirSync(folder).sort();
  const stop = new AbortController();
  const onProgress = () => stop.abort(new Error("stopped"));
  const run = write("stopped", { signal: stop.signal, onProgress });
  await expect(run).rejects.toThrow("stopped");
  await expect(write("none", { obs: ["nothing"] })).rejects.toThrow("nothing");
  expect(readdirSync(folder).sort()).toEqual(before);
  await expect(write("mapped")).rejects.toThrow("already exists");
  await write("mapped", { overwrite: true, obs: ["score"] });
  writeFileSync(at("file"), "");
  await expect(write("file", { overwrite: true })).rejects.toThrow("is a file");
  await expect(write("a.scdl", { overwrite: true })).rejects.toThrow("will not be replaced");
  await expect(write("x", { cellsPerPart: 0 })).rejects.toThrow("cellsPerPart is 0");
  await expect(tokenizeToDisk([], tokenizer, { output: at("x") })).rejects.toThrow("at least one");
});

test("parts of other settings, damaged parts, and a folder in use are refused", async () => {
  const unfinished = `${at("refused")}.unfinished`;
  await stopped("refused", "parquet", 1);
  const resume = { format: "parquet", obs: ["score"], resume: true } as const;
  await expect(write("refused", { ...resume, obs: [] })).rejects.toThrow("other settings");
  await expect(write("refused", { ...resume, cellsPerPart: 8 })).rejects.toThrow("other settings");
  const { hostname } = await import("node:os");
  writeFileSync(join(unfinished, ".running"), `${hostname()} ${process.ppid}`);
  await expect(write("refused", resume)).rejects.toMatchObject({ code: "in-use" });
  if (hasProc) {
    // Nobody waits for what was killed: it is gone all the same.
    await using child = await unreapedChild();
    await child.kill();
    writeFileSync(join(unfinished, ".running"), `${hostname()} ${child.pid}`);
    await expect(write("refused", { ...resume, obs: [] })).rejects.toThrow("other settings");
  }
  rmSync(join(unfinished, ".running"));
  cpSync(unfinished, `${unfinished}.copy`, { recursive: true });
  truncateSync(join(unfinished, "tokens-000000.parquet"), 100);
  await expect(write("refused", resume)).rejects.toMatchObject({ code: "checksum" });
  rmSync(unfinished, { recursive: true });
  cpSync(`${unfinished}.copy`, unfinished, { recursive: true });
  const journal = readFileSync(join(unfinished, ".journal"), "utf8");
  writeFileSync(join(unfinished, ".journal"), journal.replace('"cells":', '"cells":-'));
  await expect(write("refused", resume)).rejects.toThrow("line 2 is damaged");
  await stopped("cut", "mapped", 1);
  truncateSync(join(`${at("cut")}.unfinished`, "ids.bin"), 10);
  const cut = write("cut", { obs: ["score"], resume: true });
  await expect(cut).rejects.toMatchObject({ code: "checksum" });
});

test("a damaged token data set is refused, naming the file", async () => {
  await write("damaged");
  const path = at("damaged");
  const copyOf = (name: string) => readFileSync(join(path, name));
  const header = copyOf("_tokens.json").toString();
  for (let length = 0; length < header.length - 1; length++) {
    expect(() => decodeTokenHeader(header.slice(0, length), "h")).toThrow(/^h: /);
  }
  for (const [from, to, message] of [
    ['"scdl-tokens"', '"other"', "not-tokens"],
    ['"version": 1', '"version": 2', "unsupported"],
    ['"cells": 36', '"cells": 1e99', "bad-header"],
    ['"cells": 36', '"cells": 37', "bad-header"],
    ['"cells": 36', '"cells": "36"', "bad-header"],
    ['"tokens": ', '"tokens": 9', "bad-header"],
    ['"uint16"', '"uint8"', "bad-header"],
    ['"obs": []', '"obs": [1]', "bad-header"],
    ['"padId": 0', '"padId": -1', "bad-header"],
    ['"ids.bin"', '"../ids.bin"', "bad-header"],
  ] as const) {
    expect(header).toContain(from);
    writeFileSync(join(path, "_tokens.json"), header.replace(from, to));
    expect(() => TokenDataset.open(path)).toThrow(expect.objectContaining({ code: message }));
  }
  writeFileSync(join(path, "_tokens.json"), header);
  const offsets = copyOf("offsets.u64");
  for (const length of [0, 8, offsets.length - 1, offsets.length + 1]) {
    writeFileSync(join(path, "offsets.u64"), Buffer.concat([offsets, Buffer.alloc(9)], length));
    expect(() => TokenDataset.open(path)).toThrow("offsets.u64: expected 296 bytes");
  }
  offsets.writeBigUInt64LE(2n ** 40n, 8 * 5);
  writeFileSync(join(path, "offsets.u64"), offsets);
  using tokens = TokenDataset.open(path);
  expect(() => tokens.at({ epoch: 0, idx: 4 })).toThrow("expected ascending offsets");
  expect(() => tokens.at({ epoch: 0, idx: 5 })).toThrow("expected ascending offsets");
  expect(tokens.at({ epoch: 0, idx: 6 }).row).toBe(expectedRows[6]);
  expect(() => tokens.verify()).toThrow("offsets.u64: the file is not the one that was written");
  expect(() => TokenDataset.open(inputs[0] ?? "")).toThrow("found none");
});
