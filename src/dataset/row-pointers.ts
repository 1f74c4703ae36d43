import type { ByteSource } from "../../formats/bytes/byte-source.ts";
import type { ElementSource } from "../../formats/bytes/element-source.ts";
import { itemBytes, type NumericArray } from "../../formats/common/dtype.ts";
import { FormatError, InvalidArgumentError } from "../../formats/common/errors.ts";

/** Single pairs read by position before the file is taken into memory. */
const READS_BEFORE_MAP = 32;
/** Row pairs read before the pointers are worth caching: opening and reading one row stays lazy. */
const CACHE_AFTER_ROWS = 256;
const CHUNK_POINTERS = 65_536;

export interface RowPointerOptions {
  readonly nRows: number;
  /** Every pointer must be at most this. */
  readonly nnz: number;
  /** The cache takes 8 bytes a row; larger ones are read through the source every time. */
  readonly budgetBytes: number;
  /** How errors call a row, e.g. "row" or "row of the neighbour matrix". */
  readonly what?: string;
}

/**
 * The row pointers of a CSR matrix on disk, of any unsigned type, distrusted.
 *
 * Cached as Float64Array (exact to 2^53) when that fits the budget, else read where they lie, a
 * uint64 as its two halves. Every pair is checked before it is used: a damaged file gives a
 * FormatError, never a read out of bounds.
 */
export class RowPointers {
  readonly nRows: number;
  readonly nnz: number;
  /** The file, of which the first nRows + 1 elements are pointers. */
  readonly elements: ElementSource;
  readonly #what: string;
  readonly #cacheable: boolean;
  #reads = 0;
  #cached: Float64Array | null = null;
  /** Pointers in memory, or null where only reads serve. */
  #narrow: NumericArray | null = null;
  /** The same for uint64: low and high word of each. */
  #words: Uint32Array | null = null;
  readonly #pair: Uint8Array;
  #begin = 0;
  #end = 0;

  /** @throws FormatError when the file has no unsigned type or too few elements. */
  constructor(elements: ElementSource, options: RowPointerOptions) {
    this.nRows = options.nRows;
    this.nnz = options.nnz;
    this.#what = options.what ?? "row";
    this.elements = elements;
    const { dtype, source } = elements;
    if (dtype !== "uint8" && dtype !== "uint16" && dtype !== "uint32" && dtype !== "uint64") {
      throw new FormatError("bad-indptr", `row pointers are ${dtype}, expected an unsigned type`, {
        path: source.path,
      });
    }
    if (elements.length < options.nRows + 1) {
      throw new FormatError(
        "bad-indptr",
        `expected ${options.nRows + 1} row pointers, found ${elements.length}`,
        { path: source.path },
      );
    }
    this.#cacheable = (options.nRows + 1) * 8 <= options.budgetBytes;
    this.#pair = new Uint8Array(2 * elements.itemBytes);
  }

  get source(): ByteSource {
    return this.elements.source;
  }

  /** Whether pointers are held in memory now; for tests and reports. */
  get isCached(): boolean {
    return this.#cached !== null;
  }

  /**
   * Finds the stored range of each row: row `rows[i]` is `[begins[i], ends[i])`.
   *
   * @param rows the row numbers, or the first of `count` consecutive ones.
   * @returns the number of values of all rows together.
   * @throws InvalidArgumentError for a row that is not an integer in `[0, nRows)`; nothing is
   *   counted from the end. FormatError "bad-indptr" for pointers that go down or past the end.
   */
  plan(
    rows: ArrayLike<number> | number,
    count: number,
    begins: Float64Array,
    ends: Float64Array,
  ): number {
    const cached = this.#prepare(count);
    const { nRows, nnz } = this;
    let total = 0;
    for (let i = 0; i < count; i++) {
      const row = typeof rows === "number" ? rows + i : (rows[i] as number);
      if (!(row >= 0 && row < nRows && Math.floor(row) === row)) throw this.#outOfRange(row);
      let begin: number;
      let end: number;
      if (cached !== null) {
        begin = cached[row] as number;
        end = cached[row + 1] as number;
      } else {
        this.#locate(row);
        begin = this.#begin;
        end = this.#end;
      }
      if (!(begin <= end && end <= nnz)) throw this.#bad(row, begin, end);
      begins[i] = begin;
      ends[i] = end;
      total += end - begin;
    }
    return total;
  }

  /** Closes the source and forgets the cache. */
  close(): void {
    this.elements.source.close();
    this.#cached = null;
  }

  #prepare(count: number): Float64Array | null {
    if (this.#cached !== null) return this.#cached;
    this.elements.source.check();
    if (this.#reads <= READS_BEFORE_MAP && this.#reads + count > READS_BEFORE_MAP) this.#useView();
    this.#reads += count;
    if (this.#cacheable && this.#reads > CACHE_AFTER_ROWS) this.#cached = this.#readAll();
    return this.#cached;
  }

  #useView(): void {
    const { view, dtype } = this.elements;
    if (view === null) return;
    if (dtype === "uint64") this.#words = wordsOf(view);
    else this.#narrow = view;
  }

  /** Sets `#begin` and `#end` to the pair of `row`, unchecked. */
  #locate(row: number): void {
    if (this.#words !== null) {
      this.#begin = fromWords(this.#words, row);
      this.#end = fromWords(this.#words, row + 1);
    } else if (this.#narrow !== null) {
      this.#begin = this.#narrow[row] as number;
      this.#end = this.#narrow[row + 1] as number;
    } else {
      const { source, itemBytes: size } = this.elements;
      source.readInto(row * size, this.#pair);
      this.#begin = readUnsigned(this.#pair, 0, size);
      this.#end = readUnsigned(this.#pair, size, size);
    }
  }

  #readAll(): Float64Array {
    const all = new Float64Array(this.nRows + 1);
    if (this.#words !== null) {
      for (let i = 0; i < all.length; i++) all[i] = fromWords(this.#words, i);
    } else if (this.#narrow !== null) {
      // Not uint64: those are in #words.
      all.set(this.#narrow.subarray(0, all.length) as Uint32Array);
    } else {
      const size = itemBytes(this.elements.dtype);
      const chunk = new Uint8Array(Math.min(CHUNK_POINTERS, all.length) * size);
      for (let from = 0; from < all.length; from += CHUNK_POINTERS) {
        const count = Math.min(CHUNK_POINTERS, all.length - from);
        this.elements.source.readInto(from * size, chunk.subarray(0, count * size));
        for (let i = 0; i < count; i++) all[from + i] = readUnsigned(chunk, i * size, size);
      }
    }
    return all;
  }

  #outOfRange(row: number): InvalidArgumentError {
    return new InvalidArgumentError(
      "row",
      row,
      `${this.#what} ${row} does not exist: expected an integer from 0 to ${this.nRows - 1} (${this.nRows} rows)`,
      row < 0 && row >= -this.nRows
        ? { suggestions: [`rows are not counted from the end: use ${this.nRows + row}`] }
        : {},
    );
  }

  #bad(row: number, begin: number, end: number): FormatError {
    return new FormatError(
      "bad-indptr",
      `${this.#what} ${row} is stored at [${begin}, ${end}), expected ascending and at most ${this.nnz}`,
      {
        path: this.elements.source.path,
        offset: row * this.elements.itemBytes,
        suggestions: ["scdl inspect --verify DIR lists what is damaged"],
      },
    );
  }
}

function wordsOf(view: NumericArray): Uint32Array {
  return new Uint32Array(view.buffer, view.byteOffset, view.length * 2);
}

/** Above 2^53 the result is inexact, but then above every possible nnz. */
function fromWords(words: Uint32Array, index: number): number {
  return (words[2 * index] as number) + (words[2 * index + 1] as number) * 2 ** 32;
}

function readUnsigned(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] as number);
  return value;
}
