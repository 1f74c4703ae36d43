import { FormatError, InvalidArgumentError } from "../../formats/common/errors.ts";
import type { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import type { CellTokenizer } from "./cell-tokenizer.ts";
import { readGeneNames } from "./gene-names.ts";
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
  const { signal, begin = 0, end = dataset.nObs } = options;
  const genes = await readGeneNames(dataset, options.genes);
  const obs = (await dataset.obsColumns()).map(({ name }) => name);
  const counts =
    tokenizer.encoding === "bionemo"
      ? null
      : await numbers(dataset, chosen(options.nCounts, "n_counts", obs));
  const passing = await numbers(dataset, chosen(options.filterPass, "filter_pass", obs));
  const nCounts = counts?.isSingle === true ? "float32" : "float64";
  const tokens = new TokenRows();
  const blockBytes = options.blockBytes ?? 2 ** 23;
  for (const [number, { rowBegin, rowEnd }] of dataset.varBlocks.entries()) {
    if (rowEnd <= begin || rowBegin >= end) continue;
    const bound = tokenizer.bind(genes[number] ?? [], { data: dataset.dtypes.data, nCounts });
    const range = { begin: Math.max(begin, rowBegin), end: Math.min(end, rowEnd), blockBytes };
    for (const block of dataset.rowBlocks({ ...range, validate: false })) {
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
      options.onProgress?.({ rows: block.rowEnd, totalRows: dataset.nObs });
    }
  }
}

function chosen(
  asked: string | null | undefined,
  usual: string,
  columns: readonly string[],
): string | null {
  if (asked !== undefined) return asked;
  return columns.includes(usual) ? usual : null;
}

/** A numeric obs column as float64; NaN where missing. */
async function numbers(
  dataset: SingleCellDataset,
  name: string | null,
): Promise<{ readonly values: Float64Array; readonly isSingle: boolean } | null> {
  if (name === null) return null;
  const column = await dataset.obsColumn(name);
  if (column.kind !== "numeric") {
    throw new FormatError("not-numbers", `expected numbers in the obs column ${name}`, {
      path: dataset.directory,
    });
  }
  const { values, missing } = column;
  if (values.length !== dataset.nObs) {
    throw new InvalidArgumentError("obs", values.length, `${name} has ${values.length} rows`);
  }
  return {
    values: Float64Array.from(values, (value: number | bigint, row: number) =>
      missing?.[row] === 1 ? Number.NaN : Number(value),
    ),
    isSingle: values instanceof Float32Array,
  };
}
