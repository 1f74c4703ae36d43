import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  FormatError,
  InvalidArgumentError,
  NotFoundError,
} from "../../../formats/common/errors.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import {
  CellTokenizer,
  type CellTokenizerOptions,
} from "../../../src/gene-tokens/cell-tokenizer.ts";
import { GeneTokenizer } from "../../../src/gene-tokens/gene-tokenizer.ts";
import { GeneVocabulary } from "../../../src/gene-tokens/gene-vocabulary.ts";
import { SingleCellTokenDataset } from "../../../src/gene-tokens/single-cell-token-dataset.ts";
import { TokenRows } from "../../../src/gene-tokens/token-rows.ts";
import { tokenizeDataset } from "../../../src/gene-tokens/tokenize-dataset.ts";
import { writeGeneDataset } from "../../helpers/gene-dataset.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-cells-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const medians = new Map([
  ["A", 1],
  ["B", 2],
  ["C", 4],
]);
const v2 = new GeneVocabulary(
  new Map(["<pad>", "<mask>", "<cls>", "<eos>", "A", "B", "C"].map((token, id) => [token, id])),
  "V2",
);
const bionemo = GeneTokenizer.fromMediansAndGenes(medians).vocabulary;

/** Rows of [column, value] pairs as a matrix. */
function matrix(columns: number, ...rows: readonly (readonly (readonly [number, number])[])[]) {
  const pairs = rows.flat();
  const indptr = new Float64Array(rows.length + 1);
  rows.forEach((row, i) => {
    indptr[i + 1] = (indptr[i] as number) + row.length;
  });
  return {
    data: Float32Array.from(pairs, ([, value]) => value),
    indices: Uint16Array.from(pairs, ([column]) => column),
    indptr,
    shape: [rows.length, columns] as const,
  };
}

function tokens(
  options: Partial<CellTokenizerOptions>,
  genes: readonly string[],
  ...rows: readonly (readonly (readonly [number, number])[])[]
): (readonly number[])[] {
  const tokenizer = new CellTokenizer({ vocabulary: v2, medians, ...options });
  const found = tokenizer.bind(genes, { data: "float32" }).tokenize(matrix(genes.length, ...rows));
  return Array.from(found.rows, (_, i) => [...found.at(i)]);
}

test("genes without token are left out, refused, or become the unknown token", () => {
  const genes = ["X", "A", "C"];
  const row = [
    [0, 9],
    [1, 1],
    [2, 2],
  ] as const;
  expect(tokens({}, genes, row)).toEqual([[2, 4, 6, 3]]);
  expect(() => tokens({ missingGenes: "error" }, genes, row)).toThrow(
    "Provided gene identifier, X, is not in the tokenizer vocab.",
  );
  // Only a cell that has the gene is refused.
  expect(tokens({ missingGenes: "error" }, genes, [[1, 1]])).toEqual([[2, 4, 3]]);
  expect(() => tokens({ missingGenes: "unknown" }, genes, row)).toThrow(NotFoundError);
  const unknown = tokens({ missingGenes: "unknown", vocabulary: bionemo }, genes, row);
  expect(unknown).toEqual([[0, 4, 5, 7]]);
});

test("a gene of the vocabulary without median is refused when a cell has it", () => {
  const options = { medians: new Map([["A", 1]]) };
  expect(tokens(options, ["A", "B"], [[0, 1]])).toEqual([[2, 4, 3]]);
  expect(() => tokens(options, ["A", "B"], [[1, 1]])).toThrow(
    "the gene B is in the vocabulary and has no median",
  );
});

test("empty cells are refused, left out or kept as their special tokens", () => {
  const genes = ["A", "X"];
  const rows = [[[0, 1]], [], [[1, 5]]] as const;
  expect(tokens({}, genes, ...rows)).toEqual([[2, 4, 3]]);
  expect(tokens({ emptyCells: "empty" }, genes, ...rows)).toEqual([
    [2, 4, 3],
    [2, 3],
    [2, 3],
  ]);
  expect(() => tokens({ emptyCells: "error" }, genes, ...rows)).toThrow("row 1: the gene expr");
  expect(() => tokens({ emptyCells: "error" }, genes, rows[0], rows[2])).toThrow(
    "row 1: none of the 1 genes of the cell has a token",
  );
  // BioNeMo's own rule: a cell without values is an error, one without known genes is [CLS].
  expect(() => tokens({ vocabulary: bionemo }, genes, ...rows)).toThrow(FormatError);
  expect(tokens({ vocabulary: bionemo }, genes, rows[0], rows[2])).toEqual([[0, 5], [0]]);
});

test("ties keep the order of columns; columns of one gene are summed and come last", () => {
  expect(
    tokens(
      {},
      ["C", "B", "A"],
      [
        [0, 4],
        [1, 2],
        [2, 1],
      ],
    ),
  ).toEqual([[2, 6, 5, 4, 3]]);
  const mapping = new Map([
    ["OLD", "A"],
    ["A", "A"],
    ["B", "B"],
    ["C", "C"],
  ]);
  const genes = ["old", "A", "B", "C"];
  const row = [
    [0, 0.5],
    [1, 0.5],
    [2, 2],
    [3, 4],
  ] as const;
  expect(tokens({ mapping }, genes, row)).toEqual([[2, 5, 6, 4, 3]]);
  // As they are, one of the two is a gene of its own.
  expect(tokens({ medians, encoding: "bionemo" }, genes, row)).toEqual([[2, 5, 6, 4, 3]]);
});

test("unsorted and repeated columns are sorted and summed for the official encoding", () => {
  const sorted = tokens(
    {},
    ["A", "B", "C"],
    [
      [0, 1],
      [1, 2],
      [2, 4],
    ],
  );
  expect(
    tokens(
      {},
      ["A", "B", "C"],
      [
        [2, 3],
        [0, 1],
        [1, 2],
        [2, 1],
      ],
    ),
  ).toEqual(sorted);
  // BioNeMo takes values as they are stored.
  expect(
    tokens(
      { vocabulary: bionemo },
      ["A", "B", "C"],
      [
        [2, 4],
        [0, 1],
        [2, 4],
      ],
    ),
  ).toEqual([[0, 7, 5, 7]]);
});

test("sequences end at maxTokens, special tokens included", () => {
  const row = [
    [0, 1],
    [1, 1],
    [2, 1],
  ] as const;
  const genes = ["A", "B", "C"];
  expect(tokens({ maxTokens: 4 }, genes, row)).toEqual([[2, 4, 5, 3]]);
  expect(tokens({ maxTokens: 2 }, genes, row)).toEqual([[2, 3]]);
  expect(tokens({ maxTokens: 2, cls: false }, genes, row)).toEqual([[4, 3]]);
  expect(tokens({ maxTokens: 2, cls: false, eos: false }, genes, row)).toEqual([[4, 5]]);
  for (const maxTokens of [1, -1, 1.5, Number.NaN]) {
    expect(() => tokens({ maxTokens }, genes, row)).toThrow(InvalidArgumentError);
  }
});

test("counts that are not above zero and columns beyond the genes are refused", () => {
  const bound = new CellTokenizer({ vocabulary: v2, medians }).bind(["A"], { data: "float32" });
  const block = matrix(1, [[0, 1]]);
  for (const nCounts of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => bound.tokenize(block, undefined, { nCounts: [nCounts], rowBegin: 7 })).toThrow(
      "the counts of row 7 sum to",
    );
  }
  expect(() => bound.tokenize(matrix(1, [[3, 1]]))).toThrow(
    "row 0: column 3 is stored and there are 1 genes",
  );
});

test("a token block grows, keeps its cells, and is used again", () => {
  const bound = new CellTokenizer({ vocabulary: v2, medians }).bind(["A", "B"], {
    data: "float32",
  });
  const out = new TokenRows({ cells: 1, tokens: 1 });
  const row = [
    [0, 1],
    [1, 1],
  ] as const;
  const block = matrix(2, ...Array.from({ length: 300 }, () => row));
  bound.tokenize(block, out, { rowBegin: 10 });
  bound.tokenize(block, out, { rowBegin: 1000 });
  expect([out.count, out.tokens, out.rows[0], out.rows[300], out.rows[599]]).toEqual([
    600, 2400, 10, 1000, 1299,
  ]);
  expect(new Set(Array.from(out.rows, (_, i) => out.at(i).join()))).toEqual(new Set(["2,4,5,3"]));
  out.clear();
  expect([out.count, out.tokens, out.ids.length]).toEqual([0, 0, 0]);
});

test("a data set is tokenized with its n_counts and filter_pass, and from any row on", async () => {
  const rows = Array.from(
    { length: 200 },
    (_, i) =>
      [
        [0, 1 + (i % 3)],
        [2, 4],
      ] as const,
  );
  const block = matrix(3, ...rows);
  const directory = await writeGeneDataset(join(folder, "cells.scdl"), {
    genes: ["A", "B", "C"],
    column: "ensembl_id",
    data: block.data,
    indices: [...block.indices],
    indptr: [...block.indptr],
    obs: {
      n_counts: Float32Array.from(rows, (_, i) => i + 1),
      filter_pass: Int32Array.from(rows, (_, i) => (i % 5 === 0 ? 0 : 1)),
    },
  });
  using dataset = await SingleCellDataset.open(directory);
  const tokenizer = new CellTokenizer({ vocabulary: v2, medians });
  async function all(options: object): Promise<[number, string][]> {
    const found: [number, string][] = [];
    for await (const { tokens: cells } of tokenizeDataset(dataset, tokenizer, options)) {
      for (let i = 0; i < cells.count; i++) {
        found.push([cells.rows[i] ?? -1, cells.at(i).join()]);
      }
    }
    return found;
  }
  const whole = await all({ blockBytes: 500 });
  expect(whole.length).toBe(160);
  expect(whole.slice(0, 3)).toEqual([
    [1, "2,4,6,3"],
    [2, "2,4,6,3"],
    [3, "2,4,6,3"],
  ]);
  expect(
    await all({ begin: 0, end: 77 }).then(async (head) => head.concat(await all({ begin: 77 }))),
  ).toEqual(whole);
  expect((await all({ filterPass: null })).length).toBe(200);
  await expect(all({ nCounts: "missing" })).rejects.toBeInstanceOf(NotFoundError);
  await expect(all({ genes: "feature_id" })).rejects.toThrow("var has no column feature_id");
  await expect(all({ signal: AbortSignal.abort() })).rejects.toThrow("aborted");
});

test("items of a data set without Ensembl ids, or of no length, are refused", async () => {
  using dataset = await SingleCellDataset.open(join(folder, "cells.scdl"));
  const options = { tokenizer: GeneTokenizer.fromMediansAndGenes(medians), medians, seed: 1 };
  await expect(SingleCellTokenDataset.open(dataset, options)).rejects.toThrow("feature_id");
  for (const maxLen of [0, -3, 1.5]) {
    const opened = SingleCellTokenDataset.open(dataset, {
      ...options,
      genes: "ensembl_id",
      maxLen,
    });
    await expect(opened).rejects.toThrow("max_len must be greater than 1");
  }
  const items = await SingleCellTokenDataset.open(dataset, { ...options, genes: "ensembl_id" });
  expect(() => items.at({ epoch: 0, idx: 200 })).toThrow(InvalidArgumentError);
});
