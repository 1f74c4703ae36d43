import type { IndexArray } from "../../formats/common/dtype.ts";
import { FormatError, InvalidArgumentError } from "../../formats/common/errors.ts";
import type { CsrMatrix, MatrixData } from "../../formats/csr/csr-matrix.ts";
import type { CellMatrixTypes, CellTokenizer } from "./cell-tokenizer.ts";
import { columnError, type GeneColumns } from "./gene-columns.ts";
import { rankRow, rowFactor } from "./rank-row.ts";
import { RankSorter } from "./rank-sorter.ts";
import { numpySum, type RankRounding, rankRounding, rankValues } from "./rank-values.ts";
import { sortedRow } from "./sorted-row.ts";
import { TokenRows } from "./token-rows.ts";

export interface TokenizeOptions {
  /** Row number of the block's first row, for {@link TokenRows.rows} and errors. Default 0. */
  readonly rowBegin?: number;
  /** [rows] row number of each row of the block, instead of rowBegin. */
  readonly rows?: ArrayLike<number>;
  /** [rows] counts of each cell, for "geneformer". Default: the sum of its stored values. */
  readonly nCounts?: ArrayLike<number>;
  /** [rows] 1 for the cells wanted; others are left out. Default all. */
  readonly passing?: ArrayLike<number>;
}

/** A {@link CellTokenizer} that knows the genes of a matrix: turns blocks of its rows into tokens. */
export class BoundCellTokenizer {
  readonly tokenizer: CellTokenizer;
  readonly columns: GeneColumns;
  readonly #types: CellMatrixTypes;
  readonly #sorter = new RankSorter();
  readonly #sums: Float64Array;
  readonly #rounding: RankRounding;
  readonly #hasSpecial: boolean;
  /** Scale and token of each column side by side: one place in memory for a value. */
  readonly #table: Float64Array;
  #scales = new Float64Array(0);

  /** @internal Made by {@link CellTokenizer.bind}. */
  constructor(tokenizer: CellTokenizer, columns: GeneColumns, types: CellMatrixTypes) {
    this.tokenizer = tokenizer;
    this.columns = columns;
    this.#types = types;
    this.#sums = new Float64Array(columns.merged.token.length);
    this.#table = new Float64Array(2 * columns.scale.length);
    for (const [column, scale] of columns.scale.entries()) {
      this.#table[2 * column] = scale;
      this.#table[2 * column + 1] = columns.token[column] as number;
    }
    this.#hasSpecial = columns.scale.some(Number.isNaN);
    const arithmetic = tokenizer.encoding === "bionemo" ? "bionemo" : tokenizer.matrix;
    this.#rounding = rankRounding(arithmetic, types.data, types.nCounts ?? "float64");
  }

  /**
   * Adds the cells of a block of rows to `out` and returns it. Equal ranks keep the order of their
   * columns; genes that several columns sum up to come after the others.
   * @throws NotFoundError naming a gene without token (missingGenes "error") or median;
   *   FormatError for a column beyond the genes, or an empty cell (emptyCells "error");
   *   InvalidArgumentError for cell counts that are not above zero.
   */
  tokenize(
    block: CsrMatrix,
    out: TokenRows = new TokenRows(),
    options: TokenizeOptions = {},
  ): TokenRows {
    const { indptr } = block;
    const { tokenizer } = this;
    const nRows = block.shape[0];
    for (let i = 0; i < nRows; i++) {
      if (options.passing !== undefined && options.passing[i] !== 1) continue;
      const row = options.rows === undefined ? (options.rowBegin ?? 0) + i : (options.rows[i] ?? 0);
      const begin = indptr[i] as number;
      const end = indptr[i + 1] as number;
      const count = this.#rank(block, begin, end, row, options.nCounts?.[i]);
      if (count === 0 && !this.#keepsEmpty(end - begin, row)) continue;
      const target = out.room(count);
      this.#sorter.sort(count, target, out.tokens + (tokenizer.clsId >= 0 ? 1 : 0));
      const kept = Math.min(count, tokenizer.maxGenes);
      out.push(row, tokenizer.clsId, kept, tokenizer.eosId);
    }
    return out;
  }

  /** Puts keys and tokens of one row into the sorter; returns how many there are. */
  #rank(
    block: CsrMatrix,
    begin: number,
    end: number,
    row: number,
    given: number | undefined,
  ): number {
    const { arithmetic } = this.#rounding;
    if (arithmetic !== "bionemo" && !this.#hasSpecial) {
      const n = this.#rankDirectly(block, begin, end, given);
      if (n >= 0) return arithmetic === "dense" ? this.#dropZeros(n) : n;
    }
    const n = this.#collect(block, begin, end, row);
    if (n === 0) return 0;
    const { keys } = this.#sorter;
    let sum: number;
    if (arithmetic === "bionemo") sum = numpySum(keys, n, this.#types.data);
    else {
      sum = given ?? sumOf(block, begin, end);
      if (!isCounts(sum)) throw badCounts(sum, row);
    }
    rankValues(keys, this.#scales, n, sum, this.#rounding);
    return arithmetic === "dense" ? this.#dropZeros(n) : n;
  }

  /** The usual row, in one pass; -1 for one that {@link #collect} has to look at. */
  #rankDirectly(
    { data, indices }: CsrMatrix,
    begin: number,
    end: number,
    given: number | undefined,
  ): number {
    if (data instanceof BigUint64Array || end === begin) return -1;
    if ((indices[end - 1] as number) >= this.columns.scale.length) return -1;
    const sum = given ?? sumOfNumbers(data, begin, end);
    if (!isCounts(sum)) return -1;
    this.#reserve(end - begin + 1);
    const { keys, items } = this.#sorter;
    const factor = rowFactor(sum, this.#rounding);
    return rankRow(data, indices, begin, end, this.#table, factor, this.#rounding, keys, items);
  }

  /** Values, scales and tokens of the genes of a row that have a token; returns how many. */
  #collect(block: CsrMatrix, begin: number, end: number, row: number): number {
    this.#reserve(end - begin + this.#sums.length + 1);
    const { data, indices } = block;
    const { scale } = this.columns;
    if (data instanceof BigUint64Array) {
      const numbers = Float64Array.from(data.subarray(begin, end), Number);
      const narrow = { ...block, data: numbers, indices: indices.subarray(begin, end) };
      return this.#collect(narrow, 0, end - begin, row);
    }
    const n = this.#collectNumbers(data, indices, begin, end);
    if (n >= 0 && !(end > begin && (indices[end - 1] as number) >= scale.length)) {
      return this.#hasSpecial ? this.#collectSpecial(block, begin, end, n) : n;
    }
    for (let k = begin; k < end; k++) {
      const column = indices[k] as number;
      if (column >= scale.length) throw columnBeyond(column, scale.length, row);
    }
    if (this.tokenizer.encoding === "geneformer") {
      const sorted = sortedRow(block, begin, end);
      return this.#collect(sorted, 0, sorted.data.length, row);
    }
    return this.#hasSpecial ? this.#collectSpecial(block, begin, end, ~n) : ~n;
  }

  /** How many genes there are; -1 - that many when the columns are not in order. */
  #collectNumbers(
    data: Exclude<MatrixData, BigUint64Array>,
    indices: IndexArray,
    begin: number,
    end: number,
  ): number {
    const { keys, items } = this.#sorter;
    const table = this.#table;
    const scales = this.#scales;
    let n = 0;
    let previous = -1;
    let disorder = 0;
    // Without branches: which genes have a token is as good as random.
    for (let k = begin; k < end; k++) {
      const column = indices[k] as number;
      const factor = table[2 * column] as number;
      disorder |= column - previous - 1;
      previous = column;
      keys[n] = data[k] as number;
      scales[n] = factor;
      items[n] = table[2 * column + 1] as number;
      n += factor > 0 ? 1 : 0;
    }
    return disorder < 0 ? ~n : n;
  }

  /** Adds the genes that several columns sum up to, behind the n others. */
  #collectSpecial(block: CsrMatrix, begin: number, end: number, n: number): number {
    const { columns } = this;
    const sums = this.#sums.fill(0);
    for (let k = begin; k < end; k++) {
      const column = block.indices[k] as number;
      if (!Number.isNaN(columns.scale[column])) continue;
      const slot = columns.special[column] as number;
      if (slot < 0) throw columnError(columns, column);
      sums[slot] = (sums[slot] as number) + Number(block.data[k]);
    }
    let at = n;
    for (let slot = 0; slot < sums.length; slot++) {
      const sum = sums[slot] as number;
      if (sum === 0) continue;
      this.#sorter.keys[at] = sum;
      this.#sorter.items[at] = columns.merged.token[slot] as number;
      this.#scales[at] = columns.merged.scale[slot] as number;
      at++;
    }
    return at;
  }

  #dropZeros(n: number): number {
    const { keys, items } = this.#sorter;
    let at = 0;
    for (let i = 0; i < n; i++) {
      const key = keys[i] as number;
      if (key === 0) continue;
      keys[at] = key;
      items[at] = items[i] as number;
      at++;
    }
    return at;
  }

  #reserve(n: number): void {
    this.#sorter.reserve(n);
    const room = this.#sorter.keys.length;
    if (this.#scales.length < room) this.#scales = new Float64Array(room);
  }

  /** Whether a cell without tokens becomes a sequence of special tokens. */
  #keepsEmpty(stored: number, row: number): boolean {
    const { emptyCells, encoding } = this.tokenizer;
    if (emptyCells !== "error") return emptyCells === "empty";
    if (encoding === "bionemo" && stored > 0) return true;
    throw new FormatError(
      "empty-cell",
      stored === 0
        ? "the gene expression data parsed for the specified index is empty"
        : `none of the ${stored} genes of the cell has a token`,
      { path: `row ${row}`, suggestions: ['leave such cells out with emptyCells: "skip"'] },
    );
  }
}

function isCounts(sum: number): boolean {
  return sum > 0 && sum < Number.POSITIVE_INFINITY;
}

function sumOfNumbers(
  data: Exclude<MatrixData, BigUint64Array>,
  begin: number,
  end: number,
): number {
  let sum = 0;
  for (let k = begin; k < end; k++) sum += data[k] as number;
  return sum;
}

function sumOf({ data }: CsrMatrix, begin: number, end: number): number {
  let sum = 0;
  for (let k = begin; k < end; k++) sum += Number(data[k]);
  return sum;
}

function badCounts(sum: number, row: number): InvalidArgumentError {
  return new InvalidArgumentError(
    "nCounts",
    sum,
    `the counts of row ${row} sum to ${sum}, expected a number above zero`,
    { suggestions: ["tokenize raw counts", "check the obs column n_counts"] },
  );
}

function columnBeyond(column: number, genes: number, row: number): FormatError {
  return new FormatError(
    "column-out-of-range",
    `column ${column} is stored and there are ${genes} genes`,
    { path: `row ${row}`, suggestions: ["scdl inspect --verify DIR checks every row"] },
  );
}
