import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { allocate, type ScdlDType } from "../../../formats/common/dtype.ts";
import { float16Table, toFloat16Bits } from "../../../formats/common/float16.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { CellTokenizer } from "../../../src/gene-tokens/cell-tokenizer.ts";
import { readGeneMedians, writeGeneMedians } from "../../../src/gene-tokens/gene-medians.ts";
import { GeneTokenizer } from "../../../src/gene-tokens/gene-tokenizer.ts";
import { numpySum } from "../../../src/gene-tokens/rank-values.ts";
import { SingleCellTokenDataset } from "../../../src/gene-tokens/single-cell-token-dataset.ts";
import { writeGeneDataset } from "../../helpers/gene-dataset.ts";

interface Item {
  readonly row: number;
  readonly seed: string;
  readonly epoch: number;
  readonly options: Readonly<Record<string, number | boolean>>;
  readonly text: readonly number[];
  readonly types: readonly number[];
  readonly attention_mask: readonly number[];
  readonly labels: readonly number[];
  readonly loss_mask: readonly number[];
  readonly is_random: readonly number[];
}

interface Golden {
  readonly genes: readonly string[];
  readonly medians: readonly (readonly [string, number])[];
  readonly mediansText: string;
  readonly symbols: readonly (readonly [string, string])[];
  readonly vocabText: string;
  readonly indptr: readonly number[];
  readonly indices: readonly number[];
  readonly sums: readonly (readonly [dtype: ScdlDType, n: number, sum: number])[];
  readonly cases: readonly {
    readonly dtype: ScdlDType;
    readonly data: readonly number[];
    readonly ids: readonly (readonly number[])[];
  }[];
  readonly items: readonly Item[];
  readonly example: readonly number[];
}

const golden: Golden = JSON.parse(
  readFileSync(new URL("../../../fixtures/gene-tokens/bionemo.json", import.meta.url), "utf8"),
);
const folder = mkdtempSync(join(tmpdir(), "scdl-genes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const medians = new Map(golden.medians);
const tokenizer = GeneTokenizer.fromMediansAndGenes(medians, new Map(golden.symbols));
const nCells = golden.indptr.length - 1;

function matrixOf(dtype: ScdlDType, values: readonly number[]) {
  const data = allocate(dtype, values.length);
  data.set((data instanceof BigUint64Array ? values.map(BigInt) : values) as never);
  return {
    data,
    indices: Uint8Array.from(golden.indices),
    indptr: Float64Array.from(golden.indptr),
    shape: [nCells, golden.genes.length] as const,
  };
}

test.each(golden.cases.map((example, number) => ({ ...example, number })))(
  "ranks of BioNeMo's items for $dtype, case $number",
  ({ dtype, data, ids }) => {
    const cells = new CellTokenizer({
      vocabulary: tokenizer.vocabulary,
      medians,
      maxTokens: 1024,
      emptyCells: "empty",
    });
    const rows = cells.bind(golden.genes, { data: dtype }).tokenize(matrixOf(dtype, data));
    expect(Array.from({ length: nCells }, (_, row) => Array.from(rows.at(row)))).toEqual(ids);
  },
);

test("items of BioNeMo's SingleCellDataset: ranks, masks, special tokens, truncation", async () => {
  const directory = await writeGeneDataset(join(folder, "cells.scdl"), {
    genes: golden.genes,
    data: Float32Array.from(golden.cases[0]?.data ?? []),
    indices: golden.indices,
    indptr: golden.indptr,
  });
  using dataset = await SingleCellDataset.open(directory);
  for (const { row, seed, epoch, options, ...arrays } of golden.items) {
    const items = await SingleCellTokenDataset.open(dataset, {
      tokenizer,
      medians,
      seed: BigInt(seed),
      ...camelCase(options),
    });
    expect(items.length).toBe(nCells);
    const { text, types, attentionMask, labels, lossMask, isRandom } = items.at({
      epoch,
      idx: row,
    });
    expect({
      text: [...text],
      types: [...types],
      attention_mask: [...attentionMask],
      labels: [...labels],
      loss_mask: [...lossMask],
      is_random: [...isRandom],
    }).toEqual(arrays);
  }
});

test("an item does not change when others were made before it", async () => {
  using dataset = await SingleCellDataset.open(join(folder, "cells.scdl"));
  const options = { tokenizer, medians, seed: 42 };
  const items = await SingleCellTokenDataset.open(dataset, options);
  const alone = items.at({ epoch: 1, idx: 5 });
  for (let idx = 0; idx < nCells; idx++) items.at({ epoch: 0, idx });
  expect(items.at({ epoch: 1, idx: 5 })).toEqual(alone);
  expect(items.at({ epoch: 2, idx: 5 })).not.toEqual(alone);
});

test("sums of floats come in numpy's order and type", () => {
  for (const [dtype, n, sum] of golden.sums) {
    const values = Float64Array.from({ length: n }, (_, i) => {
      const value = ((i * 7919) % 1009) / 97;
      if (dtype === "float64") return value;
      return dtype === "float32" ? Math.fround(value) : toFloat16(value);
    });
    expect(numpySum(values, n, dtype), `${dtype} ${n}`).toBe(sum);
  }
});

function toFloat16(value: number): number {
  return float16Table()[toFloat16Bits(value)] as number;
}

test("the example of counts 3, 1, 4, 1, 5", () => {
  const genes = [..."ABCDE"];
  const values = new Map(genes.map((gene, i) => [gene, [1.5, 0.7, 2.2, 1.1, 3.0][i] ?? 0]));
  const cells = new CellTokenizer({
    vocabulary: GeneTokenizer.fromMediansAndGenes(values).vocabulary,
    medians: values,
  });
  const rows = cells.bind(genes, { data: "float32" }).tokenize({
    data: Float32Array.of(3, 1, 4, 1, 5),
    indices: Uint8Array.of(0, 1, 2, 3, 4),
    indptr: Float64Array.of(0, 5),
    shape: [1, 5],
  });
  expect([...rows.at(0)]).toEqual([0, 5, 7, 9, 6, 8]);
  expect([...rows.at(0)]).toEqual(golden.example);
});

test("geneformer.vocab and medians.json are read and written byte for byte", async () => {
  const vocab = join(folder, "geneformer.vocab");
  writeFileSync(vocab, golden.vocabText);
  const read = GeneTokenizer.fromVocabFile(vocab);
  expect([...read.vocab]).toEqual([...tokenizer.vocab]);
  expect([...read.geneToEns]).toEqual(golden.symbols);
  read.saveVocab(join(folder, "again.vocab"));
  expect(readFileSync(join(folder, "again.vocab"), "utf8")).toBe(golden.vocabText);
  tokenizer.saveVocab(join(folder, "made.vocab"));
  expect(readFileSync(join(folder, "made.vocab"), "utf8")).toBe(golden.vocabText);

  writeGeneMedians(join(folder, "medians.json"), medians);
  expect(readFileSync(join(folder, "medians.json"), "utf8")).toBe(golden.mediansText);
  expect([...(await readGeneMedians(join(folder, "medians.json")))]).toEqual(golden.medians);
});

function camelCase(options: Item["options"]): Record<string, number | boolean> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}
