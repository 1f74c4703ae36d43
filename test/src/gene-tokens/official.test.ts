import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { allocate, type ScdlDType } from "../../../formats/common/dtype.ts";
import type { CsrMatrix } from "../../../formats/csr/csr-matrix.ts";
import { CellTokenizer } from "../../../src/gene-tokens/cell-tokenizer.ts";
import { GeneVocabulary } from "../../../src/gene-tokens/gene-vocabulary.ts";

interface Case {
  readonly name: string;
  readonly dtype: ScdlDType;
  readonly countsDtype: "float32" | "float64" | "int64";
  readonly version: "V1" | "V2";
  readonly layout: "csr" | "dense";
  readonly collapse: boolean;
  readonly columns: readonly number[];
  readonly indptr: readonly number[];
  readonly indices: readonly number[];
  readonly data: readonly number[];
  readonly nCounts: readonly number[];
  readonly passing: readonly number[] | null;
  readonly cells: readonly number[];
  readonly ids: readonly (readonly number[])[];
}

const golden = JSON.parse(
  readFileSync(new URL("../../../fixtures/gene-tokens/official.json", import.meta.url), "utf8"),
);
const cases: readonly Case[] = golden.cases;
const entries = <T>(object: Record<string, T>) => new Map(Object.entries(object));

function matrixOf(example: Case): CsrMatrix {
  const data = allocate(example.dtype, example.data.length);
  data.set(example.data as never);
  return {
    data,
    indices: Uint16Array.from(example.indices),
    indptr: Float64Array.from(example.indptr),
    shape: [example.nCounts.length, example.columns.length],
  };
}

test.each(cases)("the official tokenizer's tokens: $name", (example) => {
  const v = example.version === "V2" ? 2 : 1;
  const tokenizer = new CellTokenizer({
    vocabulary: new GeneVocabulary(entries(golden[`tokens${v}`]), example.version),
    medians: entries(golden[`medians${v}`]),
    ...(example.collapse ? { mapping: entries(golden.mapping) } : {}),
    matrix: example.layout === "csr" ? "sparse" : "dense",
    maxTokens: 48,
  });
  const bound = tokenizer.bind(
    example.columns.map((column) => golden.genes[column]),
    { data: example.dtype, nCounts: example.countsDtype === "float32" ? "float32" : "float64" },
  );
  const rows = bound.tokenize(matrixOf(example), undefined, { nCounts: example.nCounts });
  const found = new Map(Array.from(rows.rows, (row, i) => [row, Array.from(rows.at(i))]));
  const kept = [...found.keys()].filter((row) => example.passing?.[row] !== 0);
  expect(kept).toEqual(example.cells);
  expect(kept.map((row) => found.get(row))).toEqual(example.ids);
});
