import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as arrow from "apache-arrow";
import { afterAll, expect, test } from "vitest";
import { FormatError, ScdlError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import { pythonFloat } from "../../../formats/common/python-json.ts";
import { readPythonJson } from "../../../formats/common/python-json-reader.ts";
import { ParquetWriter } from "../../../formats/parquet/parquet-writer.ts";
import { readGeneMedians } from "../../../src/gene-tokens/gene-medians.ts";
import { GeneTokenizer } from "../../../src/gene-tokens/gene-tokenizer.ts";
import { GeneVocabulary } from "../../../src/gene-tokens/gene-vocabulary.ts";
import { readEnsemblMapping } from "../../../src/gene-tokens/name-dictionary.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-dictionaries-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

function write(content: string | Uint8Array, extension = "json"): string {
  const path = join(folder, `${files++}.${extension}`);
  writeFileSync(path, content);
  return path;
}

const V2 = `"<pad>": 0, "<mask>": 1, "<cls>": 2, "<eos>": 3`;
const BIONEMO = `"[CLS]": 0, "[MASK]": 1, "[PAD]": 2, "[SEP]": 3, "[UKW]": 4`;

/** `pickle.dumps({"A": 1.5, "7": 2.5}, 2)` and `pickle.dumps(os.system, 2)` by hand. */
const PICKLE = Buffer.concat([
  Buffer.from("80027d7100285801000000417101", "hex"),
  Buffer.from("473ff8000000000000", "hex"),
  Buffer.from("5801000000377102", "hex"),
  Buffer.from("474004000000000000752e", "hex"),
]);

test("medians keep the order of their file, also names that look like numbers", async () => {
  const json = await readGeneMedians(write(`{"B": 2, "7157": 0.5, "12": 1e-05}`));
  expect([...json]).toEqual([
    ["B", 2],
    ["7157", 0.5],
    ["12", 1e-5],
  ]);
  expect([...(await readGeneMedians(write(PICKLE, "pkl")))]).toEqual([
    ["A", 1.5],
    ["7", 2.5],
  ]);
  const table = new arrow.Table({
    gene: arrow.vectorFromArray(["B", "A"], new arrow.Utf8()),
    median: arrow.vectorFromArray([3, 4.5], new arrow.Float64()),
  });
  const path = join(folder, "medians.parquet");
  const writer = await ParquetWriter.create(path, table.schema);
  for (const batch of table.batches) await writer.write(batch);
  await writer.finish();
  expect([...(await readGeneMedians(path))]).toEqual([
    ["B", 3],
    ["A", 4.5],
  ]);
});

test.each([
  ["zero", "0.0", /"G" is 0,/],
  ["NaN", "NaN", /"G" is NaN,/],
  ["negative", "-1.5", /"G" is -1.5,/],
  ["infinite", "Infinity", /"G" is Infinity,/],
  ["text", '"1"', /"G" is "1",/],
  ["null", "null", /"G" is null,/],
])("a median that is %s names the gene and the file", async (_, value, message) => {
  const path = write(`{"A": 1.0, "G": ${value}}`);
  const error = await readGeneMedians(path).catch((found: unknown) => found);
  expect(error).toBeInstanceOf(FormatError);
  expect(error).toMatchObject({
    code: "bad-median",
    path,
    message: expect.stringMatching(message),
  });
});

test("a vocabulary is known by its special tokens", async () => {
  const v1 = await GeneVocabulary.read(write(`{"<pad>": 0, "<mask>": 1, "A": 2}`));
  const v2 = await GeneVocabulary.read(write(`{${V2}, "A": 4}`));
  const bionemo = await GeneVocabulary.read(
    write(`{"vocab": {${BIONEMO}, "A": 5}, "gene_to_ens": {"a": "A"}}`, "vocab"),
  );
  expect([v1, v2, bionemo].map(({ layout, maxTokens }) => [layout, maxTokens])).toEqual([
    ["V1", 2048],
    ["V2", 4096],
    ["bionemo", 2048],
  ]);
  expect([v1, v2, bionemo].map(({ specialIds }) => [...specialIds])).toEqual([
    [0, 1],
    [0, 1, 2, 3],
    [0, 1, 2, 3, 4],
  ]);
  expect(bionemo.decode([0, 5])).toEqual(["[CLS]", "A"]);
});

test.each([
  [`{"<pad>": 0, "A": 1}`, "missing <mask>"],
  [`{"<pad>": 0, "<mask>": 1, "<cls>": 2}`, "missing <eos>"],
  [`{"[CLS]": 0, "[PAD]": 2, "[SEP]": 3, "[UKW]": 4}`, "missing [MASK]"],
  [`{${V2}, "A": 4, "B": 4}`, `"A" and "B" have one id, 4`],
  [`{${V2}, "A": 2}`, `"<cls>" and "A" have one id, 2`],
  [`{${V2}, "A": -1}`, `the id of "A" is -1`],
  [`{${V2}, "A": 1.5}`, `the id of "A" is 1.5`],
  [`{${V2}, "A": 2147483648}`, `the id of "A" is 2147483648`],
  [`{${V2}, "A": "4"}`, `the id of "A" is "4"`],
  [`{${V2}, "A": [1, 2]}`, `the id of "A" is a list of 2`],
  [`{${V2}, "A": 4, "A": 5}`, `the key "A" is there twice`],
  [`[1, 2]`, "expected a dictionary from gene names to values, found a list of 2"],
])("the vocabulary %s is refused: %s", async (text, message) => {
  const path = write(text);
  const error = await GeneVocabulary.read(path).catch((found: unknown) => found);
  expect(error).toBeInstanceOf(FormatError);
  expect(error).toMatchObject({ path, message: expect.stringContaining(message) });
});

test("a pickle that calls a function is refused by its name", async () => {
  const path = write(Buffer.from("80028a0131636f730a73797374656d0a2e", "hex"), "pkl");
  const error = await readGeneMedians(path).catch((found: unknown) => found);
  expect(error).toBeInstanceOf(UnsupportedFeatureError);
  expect(String(error)).toContain(`${path}: the pickle loads "os.system"`);
});

test("a mapping must lead to names", async () => {
  expect([...(await readEnsemblMapping(write(`{"TP53": "ENSG1", "1": "ENSG2"}`)))]).toEqual([
    ["TP53", "ENSG1"],
    ["1", "ENSG2"],
  ]);
  const path = write(`{"TP53": 1}`);
  await expect(readEnsemblMapping(path)).rejects.toMatchObject({
    code: "bad-name",
    path,
    message: expect.stringContaining(`"TP53" stands for 1`),
  });
});

test("files cut off at any byte end in a typed error", async () => {
  const text = `{"vocab": {${BIONEMO}, "G\\u00e8ne": 5}, "gene_to_ens": {"a": "A"}}`;
  for (let length = 0; length < text.length; length++) {
    const path = write(text.slice(0, length), "vocab");
    expect(() => GeneTokenizer.fromVocabFile(path), `${length}`).toThrow(FormatError);
  }
  for (let length = 0; length < PICKLE.length; length++) {
    const path = write(PICKLE.subarray(0, length), "pkl");
    const error = await readGeneMedians(path).catch((found: unknown) => found);
    expect(error, `${length}`).toBeInstanceOf(ScdlError);
  }
});

test("the tokenizer's look-ups, with the original's words", () => {
  const medians = new Map([
    ["E1", 1],
    ["[PAD]", 2],
    ["E2", 3],
  ]);
  const tokenizer = GeneTokenizer.fromMediansAndGenes(medians, new Map([["A", "E1"]]));
  expect([...tokenizer.vocab.entries()].slice(5)).toEqual([
    ["E1", 5],
    ["E2", 6],
  ]);
  expect(tokenizer.paddedVocabSize()).toBe(128);
  expect([tokenizer.tokenToId("E2"), tokenizer.tokenToId("E9")]).toEqual([6, null]);
  expect(tokenizer.tokensToIds(["[CLS]", "E1"])).toEqual([0, 5]);
  expect(() => tokenizer.tokensToIds(["E9"])).toThrow("Do not recognize token: E9");
  expect(() => tokenizer.idsToTokens([77])).toThrow("Do not recognize ID: 77");
  expect(tokenizer.genesToEnss(["A"])).toEqual(["E1"]);
  expect(tokenizer.enssToGenes(["E1"])).toEqual(["A"]);
  expect(() => tokenizer.genesToEnss(["B"])).toThrow("B not found");
  expect(() => GeneTokenizer.fromVocabFile(join(folder, "none"))).toThrow(
    "run preprocessing to create it",
  );
});

test("JSON as Python reads and writes it", () => {
  const read = (text: string) => readPythonJson(Buffer.from(text), "x.json");
  expect(read(` [NaN, -Infinity, 1e3, "\\u00e9\\n", true, null, {}] `)).toEqual([
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    1000,
    "é\n",
    true,
    null,
    new Map(),
  ]);
  for (const text of [
    "",
    "{",
    "[1,]",
    "{1: 2}",
    "01",
    "1 2",
    '"\n"',
    "nul",
    '{"a":1,}',
    "[".repeat(200),
  ]) {
    expect(() => read(text), text).toThrow(FormatError);
  }
  expect(() => read('{"é": x}')).toThrow("x.json: expected a JSON value (byte 7)");
  expect([1, 0.1, -0, 1e-5, 1.5e-7, 1e16, 123456789012345680, 1e300].map(pythonFloat)).toEqual([
    "1.0",
    "0.1",
    "-0.0",
    "1e-05",
    "1.5e-07",
    "1e+16",
    "1.2345678901234568e+17",
    "1e+300",
  ]);
});
