import {
  allocate,
  type IndexArray,
  type ScdlDType,
  type UnsignedDType,
} from "../../formats/common/dtype.ts";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { type CsrMatrix, checkColumns, type MatrixData } from "../../formats/csr/csr-matrix.ts";
import type { VarBlock } from "./dataset-archive.ts";
import {
  allocateIndices,
  assertCapacity,
  assertHolds,
  assertHoldsColumns,
  GatherBuffers,
  type GatherCounts,
  type GatherTarget,
} from "./gather-buffers.ts";
import type { MatrixFile } from "./matrix-file.ts";
import { PageCachePolicy } from "./page-cache-policy.ts";
import { findVarBlock } from "./var-block.ts";

/** Values copied at a time when a long range may have to come from disk. */
const WINDOW_VALUES = 2 ** 22;

export interface ReadRowsOptions {
  /**
   * Compares every column number with the number of variables, where that is known. Default true.
   * With false a damaged column is handed out as it is stored.
   */
  readonly validate?: boolean;
}

export interface GatherOptions {
  /**
   * As in {@link ReadRowsOptions}, but default false: comparing 64,000 column numbers takes longer
   * than copying them with their values (0.1 ms after 0.07 ms, from memory). Set it for files that
   * `scdl inspect --verify` has not passed.
   */
  readonly validate?: boolean;
}

export interface PrefetchOptions {
  /**
   * Looks up a few pages first and does nothing while they are in memory, where announcing would
   * cost as much as copying. Default false.
   */
  readonly onlyCold?: boolean;
}

/** One row as stored: `data[k]` at column `indices[k]`. The arrays belong to the caller. */
export interface SparseRow {
  readonly data: MatrixData;
  readonly indices: IndexArray;
}

/** Reads sparse rows of one matrix on disk: what {@link SingleCellDataset} does with X. */
export abstract class RowReader {
  /** Cells. */
  readonly nObs: number;
  /** Variables (genes); the most of any var block. */
  readonly nVars: number;
  /** [nObs, nVars] */
  readonly shape: readonly [nObs: number, nVars: number];
  /** Stored values, explicit zeros included. */
  readonly nnz: number;
  /** Positions of the matrix: the sum over var blocks of rows times variables. */
  readonly nValues: number;
  /** Element types on disk. */
  readonly dtypes: {
    readonly data: ScdlDType;
    readonly indices: UnsignedDType;
    readonly indptr: UnsignedDType;
  };
  /** Runs of rows with one list of variables each, in row order; usually one. */
  readonly varBlocks: readonly VarBlock[];
  readonly #matrix: MatrixFile;
  #policy: PageCachePolicy | null = null;
  #contentHash: string | null = null;
  readonly #one = { begins: new Float64Array(1), ends: new Float64Array(1) };
  #begins = new Float64Array(64);
  #ends = new Float64Array(64);

  protected constructor(matrix: MatrixFile, nnz: number, varBlocks: readonly VarBlock[]) {
    this.#matrix = matrix;
    this.nObs = matrix.pointers.nRows;
    this.nnz = nnz;
    this.varBlocks = varBlocks;
    this.nVars = varBlocks.reduce((most, block) => Math.max(most, block.nVars), 0);
    this.shape = [this.nObs, this.nVars];
    this.nValues = varBlocks.reduce(
      (sum, block) => sum + (block.rowEnd - block.rowBegin) * block.nVars,
      0,
    );
    this.dtypes = matrix.dtypes;
  }

  /** Share of positions without a stored value; 0 for a matrix without positions. */
  get sparsity(): number {
    return this.nValues === 0 ? 0 : (this.nValues - this.nnz) / this.nValues;
  }

  /** Variables of one row. */
  nVarsAt(row: number): number {
    return this.#blockOf(row).nVars;
  }

  /** The position in {@link varBlocks} of a row. */
  varBlockAt(row: number): number {
    return this.varBlocks.indexOf(this.#blockOf(row));
  }

  /**
   * One row. For many rows use {@link gather}, which allocates nothing.
   * @throws FormatError "column-out-of-range" for a stored column beyond the variables.
   */
  row(row: number, options: ReadRowsOptions = {}): SparseRow {
    const { begins, ends } = this.#one;
    const nnz = this.#matrix.pointers.plan(row, 1, begins, ends);
    this.#policy?.beforeCopy(begins, ends, 1);
    const begin = begins[0] as number;
    const data = allocate(this.dtypes.data, nnz);
    const indices = allocateIndices(this.dtypes.indices, nnz);
    this.#matrix.data.copy(begin, begin + nnz, data, 0);
    this.#matrix.indices.copy(begin, begin + nnz, indices, 0);
    if (options.validate !== false) this.#checkRow(row, indices, 0, nnz);
    return { data, indices };
  }

  /**
   * Rows in the order asked (repeats allowed), as one matrix in new arrays.
   * @throws FormatError "column-out-of-range" for a stored column beyond the variables.
   */
  rows(rows: ArrayLike<number>, options: ReadRowsOptions = {}): CsrMatrix {
    const nnz = this.#plan(rows, rows.length);
    const out = this.#allocate(rows.length, nnz);
    this.#copyPlanned(rows, rows.length, out, options.validate !== false);
    return { ...out, shape: [rows.length, this.#width(rows, rows.length)] };
  }

  /**
   * Rows in the order asked into buffers of the caller, reused from batch to batch: only
   * `out.data[0..nnz)`, `out.indices[0..nnz)` and `out.indptr[0..rows]` are written.
   *
   * `out` may hold wider element types than the data set, never ones that would round.
   * @throws InvalidArgumentError when a buffer is too small, naming the capacity needed; nothing
   *   has been written then. {@link GatherBuffers} grow instead.
   * @throws FormatError "column-out-of-range" when `validate` is set; otherwise columns are handed
   *   out as stored.
   */
  gather(rows: ArrayLike<number>, out: GatherTarget, options: GatherOptions = {}): GatherCounts {
    const count = rows.length;
    const nnz = this.#plan(rows, count);
    if (out instanceof GatherBuffers) out.reserve(count, nnz);
    assertCapacity(out, count, nnz);
    assertHolds("out.data", out.data, this.dtypes.data);
    assertHoldsColumns(out.indices, this.dtypes.indices);
    this.#copyPlanned(rows, count, out, options.validate === true);
    return { rows: count, nnz };
  }

  /** The capacity that {@link gather} needs for these rows; reads row pointers only. */
  gatherCapacity(rows: ArrayLike<number>): GatherCounts {
    return { rows: rows.length, nnz: this.#plan(rows, rows.length) };
  }

  /** Empty growing buffers of this data set's element types. */
  createBuffers(capacity: Partial<GatherCounts> = {}): GatherBuffers {
    return new GatherBuffers(this.dtypes, capacity);
  }

  /**
   * Starts reading these rows into memory and returns at once. Worth calling for the next batch
   * while the present one is computed with; pointless when the data set is in memory.
   */
  prefetch(rows: ArrayLike<number>, options: PrefetchOptions = {}): void {
    this.#plan(rows, rows.length);
    this.prefetchRanges(this.#begins, this.#ends, rows.length, options);
  }

  /** The consecutive rows `[begin, end)`; errors as {@link rows}. */
  slice(begin: number, end: number, options: ReadRowsOptions = {}): CsrMatrix {
    this.#assertRange(begin, end);
    const count = end - begin;
    const nnz = this.#plan(begin, count);
    const out = this.#allocate(count, nnz);
    if (count > 0) this.#copyRange(count, nnz, out);
    if (options.validate !== false) this.#validate(begin, count, out);
    return { ...out, shape: [count, this.#width(begin, count)] };
  }

  /**
   * Streams `[begin, end)` in blocks of about `blockBytes` (default 8 MiB) that reuse one set of
   * buffers: a block is valid until the next is asked for. Errors and `validate` as {@link rows}.
   */
  *rowBlocks(
    options: {
      readonly begin?: number;
      readonly end?: number;
      readonly blockBytes?: number;
      readonly validate?: boolean;
    } = {},
  ): Generator<CsrMatrix & { readonly rowBegin: number; readonly rowEnd: number }> {
    const end = options.end ?? this.nObs;
    let begin = options.begin ?? 0;
    this.#assertRange(begin, end);
    const bytesPerRow = Math.max(16, (12 * this.nnz) / Math.max(1, this.nObs));
    const rowsPerBlock = Math.max(1, Math.floor((options.blockBytes ?? 2 ** 23) / bytesPerRow));
    const buffers = this.createBuffers();
    while (begin < end) {
      const count = Math.min(rowsPerBlock, end - begin);
      const nnz = this.#plan(begin, count);
      buffers.reserve(count, nnz);
      this.#copyRange(count, nnz, buffers);
      if (options.validate !== false) this.#validate(begin, count, buffers);
      yield {
        rowBegin: begin,
        rowEnd: begin + count,
        data: buffers.data.subarray(0, nnz),
        indices: buffers.indices.subarray(0, nnz),
        indptr: buffers.indptr.subarray(0, count + 1),
        shape: [count, this.#width(begin, count)],
      };
      begin += count;
    }
  }

  /** @internal The stored range of each row; see RowPointers. */
  planRows(
    rows: ArrayLike<number>,
    count: number,
    begins: Float64Array,
    ends: Float64Array,
  ): number {
    return this.#matrix.pointers.plan(rows, count, begins, ends);
  }

  /** @internal {@link prefetch} of planned ranges. */
  prefetchRanges(
    begins: Float64Array,
    ends: Float64Array,
    count: number,
    options: PrefetchOptions,
  ): void {
    if (options.onlyCold === true) this.#pageCache().beforeCopy(begins, ends, count);
    else this.#pageCache().announce(begins, ends, count);
  }

  /** @internal Which files are read; see ByteSource. */
  get identity(): string {
    return this.#matrix.identity;
  }

  /** @internal What is in these files; see {@link contentHash}. */
  get contentHash(): string {
    this.#contentHash ??= this.#matrix.contentHash();
    return this.#contentHash;
  }

  /** @internal Copies planned ranges, each to its place; see ElementSource. */
  copyRanges(
    begins: Float64Array,
    ends: Float64Array,
    ats: Float64Array,
    count: number,
    out: Pick<GatherTarget, "data" | "indices">,
  ): void {
    this.#pageCache().beforeCopy(begins, ends, count);
    this.#matrix.data.gather(begins, ends, ats, count, out.data);
    this.#matrix.indices.gather(begins, ends, ats, count, out.indices);
  }

  /** Reads all values into the page cache; false where the system cannot. */
  warm(): boolean {
    return this.#pageCache().populate();
  }

  /** Whether row pointers are held in memory. */
  get isRowPointerCached(): boolean {
    return this.#matrix.pointers.isCached;
  }

  protected assertInPlace(): void {
    this.#matrix.assertInPlace();
  }

  protected closeMatrix(): void {
    this.#matrix.close();
  }

  protected get indicesPath(): string {
    return this.#matrix.indices.source.path;
  }

  /** Made with the first batch: it maps the files, which opening and a few rows can do without. */
  #pageCache(): PageCachePolicy {
    this.#policy ??= new PageCachePolicy([this.#matrix.data, this.#matrix.indices]);
    return this.#policy;
  }

  #plan(rows: ArrayLike<number> | number, count: number): number {
    if (this.#begins.length < count) {
      this.#begins = new Float64Array(count);
      this.#ends = new Float64Array(count);
    }
    return this.#matrix.pointers.plan(rows, count, this.#begins, this.#ends);
  }

  #copyPlanned(rows: ArrayLike<number>, count: number, out: GatherTarget, validate: boolean): void {
    this.#fillIndptr(count, out);
    this.copyRanges(this.#begins, this.#ends, out.indptr, count, out);
    if (validate) this.#validate(rows, count, out);
  }

  /** Copies planned consecutive rows, which lie side by side, announcing the next window early. */
  #copyRange(count: number, nnz: number, out: GatherTarget): void {
    const { data, indices } = this.#matrix;
    const begin = this.#begins[0] as number;
    const { begins, ends } = this.#one;
    for (let at = 0; at < nnz; at += WINDOW_VALUES) {
      const end = Math.min(nnz, at + WINDOW_VALUES);
      begins[0] = begin + at;
      ends[0] = begin + Math.min(nnz, end + WINDOW_VALUES);
      this.#pageCache().beforeCopy(begins, ends, 1);
      data.copy(begin + at, begin + end, out.data, at);
      indices.copy(begin + at, begin + end, out.indices, at);
    }
    this.#fillIndptr(count, out);
  }

  #fillIndptr(count: number, out: GatherTarget): void {
    let at = 0;
    out.indptr[0] = 0;
    for (let i = 0; i < count; i++) {
      at += (this.#ends[i] as number) - (this.#begins[i] as number);
      out.indptr[i + 1] = at;
    }
  }

  #allocate(rows: number, nnz: number) {
    return {
      data: allocate(this.dtypes.data, nnz),
      indices: allocateIndices(this.dtypes.indices, nnz),
      indptr: new Float64Array(rows + 1),
    };
  }

  #validate(rows: ArrayLike<number> | number, count: number, out: GatherTarget): void {
    for (let i = 0; i < count; i++) {
      const row = typeof rows === "number" ? rows + i : (rows[i] as number);
      const begin = out.indptr[i] as number;
      const end = out.indptr[i + 1] as number;
      this.#checkRow(row, out.indices, begin, end);
    }
  }

  #checkRow(row: number, indices: IndexArray, begin: number, end: number): void {
    const nVars = this.nVarsAt(row);
    // A var table without columns has no rows either: the number of variables is not known.
    if (nVars > 0) checkColumns(indices, begin, end, nVars, row, this.indicesPath);
  }

  /** The most variables any of the rows has. */
  #width(rows: ArrayLike<number> | number, count: number): number {
    if (this.varBlocks.length <= 1 || count === 0) return this.nVars;
    let most = 0;
    for (let i = 0; i < count; i++) {
      const row = typeof rows === "number" ? rows + i : (rows[i] as number);
      most = Math.max(most, this.#blockOf(row).nVars);
    }
    return most;
  }

  #blockOf(row: number): VarBlock {
    const block = this.varBlocks[findVarBlock(this.varBlocks, row)];
    if (block !== undefined) return block;
    if (row >= 0 && row < this.nObs && row % 1 === 0) {
      return { rowBegin: 0, rowEnd: this.nObs, nVars: 0, label: null };
    }
    throw new InvalidArgumentError(
      "row",
      row,
      `row ${row} does not exist: expected an integer from 0 to ${this.nObs - 1} (${this.nObs} rows)`,
    );
  }

  #assertRange(begin: number, end: number): void {
    const valid = Number.isInteger(begin) && Number.isInteger(end) && begin >= 0 && begin <= end;
    if (valid && end <= this.nObs) return;
    throw new InvalidArgumentError(
      "begin, end",
      [begin, end],
      `rows [${begin}, ${end}) are not inside [0, ${this.nObs})`,
    );
  }
}
