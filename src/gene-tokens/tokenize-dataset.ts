import type { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import { type CellSource, chosenColumn, readNumbers, ScdlCells } from "./cell-source.ts";
import type { CellTokenizer } from "./cell-tokenizer.ts";
import { TokenRows } from "./token-rows.ts";

export interface TokenizeProgress {
  /** Rows of the data set read so far, and how many there are. */
  readonly rows: number;
  readonly totalRows: number;
}

export interface TokenizeDatasetOptions {
  /** Var column with Ensembl ids. Default: the first there is of feature_id, ensembl_id, names. */
  readonly genes?: string;
  /**
   * Obs column with the counts of each cell, for "geneformer"; null for the sum of the stored
   * values. Default "n_counts" where there is one.
   */
  readonly nCounts?: string | null;
  /** Obs column with 1 for the cells wanted; null for all. Default "filter_pass" if there. */
  readonly filterPass?: string | null;
  /** First row and row after the last: to go on where a run stopped. Default all. */
  readonly begin?: number;
  readonly end?: number;
  /** Bytes of matrix read at a time. Default 8 MiB. */
  readonly blockBytes?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TokenizeProgress) => void;
}

/**
 * The cells of a data set as tokens, in row order, some thousand at a time. A block is valid until
 * the next is asked for; after it, every row up to its `rowEnd` is done.
 * @throws as {@link CellTokenizer.bind} and `tokenize`; NotFoundError for a column that is not there.
 */
export async function* tokenizeDataset(
  dataset: SingleCellDataset,
  tokenizer: CellTokenizer,
  options: TokenizeDatasetOptions = {},
): AsyncGenerator<{ readonly tokens: TokenRows; readonly rowEnd: number }> {
  yield* tokenizeCells(await ScdlCells.of(dataset, options.genes), tokenizer, options);
}

/** @internal The same for cells stored in any format, whose genes are known. */
export async function* tokenizeCells(
  cells: CellSource,
  tokenizer: CellTokenizer,
  options: Omit<TokenizeDatasetOptions, "genes"> = {},
): AsyncGenerator<{ readonly tokens: TokenRows; readonly rowEnd: number }> {
  const { signal, begin = 0, end = cells.nObs, blockBytes = 2 ** 23 } = options;
  const isBionemo = tokenizer.encoding === "bionemo";
  const counts = isBionemo ? null : await numbers(cells, options.nCounts, "n_counts");
  const passing = await numbers(cells, options.filterPass, "filter_pass");
  const nCounts = counts?.isSingle === true ? "float32" : "float64";
  const tokens = new TokenRows();
  for (const { rowBegin, rowEnd, genes } of cells.geneRanges) {
    if (rowEnd <= begin || rowBegin >= end) continue;
    const bound = tokenizer.bind(genes, { data: cells.dtype, nCounts });
    const range = { begin: Math.max(begin, rowBegin), end: Math.min(end, rowEnd), blockBytes };
    for await (const block of cells.blocks({ ...range, signal })) {
      signal?.throwIfAborted();
      tokens.clear();
      bound.tokenize(block, tokens, {
        rowBegin: block.rowBegin,
        ...(counts === null
          ? {}
          : { nCounts: counts.values.subarray(block.rowBegin, block.rowEnd) }),
        ...(passing === null
          ? {}
          : { passing: passing.values.subarray(block.rowBegin, block.rowEnd) }),
      });
      yield { tokens, rowEnd: block.rowEnd };
      options.onProgress?.({ rows: block.rowEnd, totalRows: cells.nObs });
    }
  }
}

async function numbers(cells: CellSource, asked: string | null | undefined, usual: string) {
  const name = chosenColumn(cells, asked, usual);
  return name === null ? null : readNumbers(cells, name);
}
