import type { SpillFile } from "../bytes/spill-file.ts";
import { allocate, type DType, type NumericArray } from "../common/dtype.ts";
import { setNumbers } from "../hdf5/array-reader.ts";

/** Consecutive rows whose entries fit the memory budget together. */
export interface RowGroup {
  readonly rowBegin: number;
  readonly rowEnd: number;
  readonly entries: number;
}

/** Cuts rows into groups of at most `limit` entries; a fuller row is a group of its own. */
export function groupRows(counts: Uint32Array, rowBegin: number, limit: number): RowGroup[] {
  const groups: RowGroup[] = [];
  let from = 0;
  let entries = 0;
  for (let row = 0; row < counts.length; row++) {
    const count = counts[row] as number;
    if (row > from && entries + count > limit) {
      groups.push({ rowBegin: rowBegin + from, rowEnd: rowBegin + row, entries });
      from = row;
      entries = 0;
    }
    entries += count;
  }
  if (counts.length > from) {
    groups.push({ rowBegin: rowBegin + from, rowEnd: rowBegin + counts.length, entries });
  }
  return groups;
}

/** (row, column, value) triples of one row group in the order they came. */
export interface Entries {
  readonly rows: Uint32Array;
  readonly columns: Uint32Array;
  readonly values: NumericArray;
}

/** Collects the entries of one group: in memory, or in full blocks behind each other in a file. */
export class EntryBucket {
  readonly #dtype: DType;
  readonly #capacity: number;
  readonly #spill: { readonly file: SpillFile; readonly offset: number } | null;
  readonly #rows: Uint32Array;
  readonly #columns: Uint32Array;
  readonly #values: NumericArray;
  #count = 0;
  #blocks = 0;

  /**
   * @param capacity entries of the buffer; without `spill` the group must fit it
   * @param spill where this group's blocks go, {@link EntryBucket.spillBytes} bytes
   */
  constructor(
    dtype: DType,
    capacity: number,
    spill: { readonly file: SpillFile; readonly offset: number } | null,
  ) {
    this.#dtype = dtype;
    this.#capacity = capacity;
    this.#spill = spill;
    this.#rows = new Uint32Array(capacity);
    this.#columns = new Uint32Array(capacity);
    this.#values = allocate(dtype, capacity);
  }

  /** Bytes in the file for `entries` entries in blocks of `capacity`. */
  static spillBytes(entries: number, capacity: number, valueBytes: number): number {
    return Math.ceil(entries / capacity) * capacity * (8 + valueBytes);
  }

  add(row: number, column: number, value: number | bigint): void {
    if (this.#count === this.#capacity) this.#flush();
    this.#rows[this.#count] = row;
    this.#columns[this.#count] = column;
    this.#values[this.#count] = value;
    this.#count++;
  }

  #flush(): void {
    if (this.#spill === null) throw new RangeError("an entry bucket is too small");
    const parts = [this.#rows, this.#columns, this.#values].map(bytesOf);
    const blockBytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
    let offset = this.#spill.offset + this.#blocks * blockBytes;
    for (const part of parts) {
      this.#spill.file.write(offset, part);
      offset += part.byteLength;
    }
    this.#blocks++;
    this.#count = 0;
  }

  /** Everything added, in order. */
  *take(): Generator<Entries> {
    const valueBytes = this.#values.BYTES_PER_ELEMENT;
    for (let block = 0; block < this.#blocks && this.#spill !== null; block++) {
      const rows = new Uint32Array(this.#capacity);
      const columns = new Uint32Array(this.#capacity);
      const values = allocate(this.#dtype, this.#capacity);
      let offset = this.#spill.offset + block * this.#capacity * (8 + valueBytes);
      for (const part of [rows, columns, values].map(bytesOf)) {
        this.#spill.file.readInto(offset, part);
        offset += part.byteLength;
      }
      yield { rows, columns, values };
    }
    yield {
      rows: this.#rows.subarray(0, this.#count),
      columns: this.#columns.subarray(0, this.#count),
      values: this.#values.subarray(0, this.#count),
    };
  }
}

function bytesOf(array: NumericArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** A group's entries by row; columns stay in the order they came. */
export function sortByRow(
  group: RowGroup,
  counts: Uint32Array,
  entries: Iterable<Entries>,
  dtype: DType,
): { data: NumericArray; indices: Uint32Array; indptr: Float64Array } {
  const rows = group.rowEnd - group.rowBegin;
  const indptr = new Float64Array(rows + 1);
  for (let r = 0; r < rows; r++) indptr[r + 1] = (indptr[r] as number) + (counts[r] as number);
  const next = indptr.slice(0, rows);
  const indices = new Uint32Array(group.entries);
  const data = allocate(dtype, group.entries);
  for (const block of entries) {
    for (let i = 0; i < block.rows.length; i++) {
      const row = block.rows[i] as number;
      const to = next[row] as number;
      next[row] = to + 1;
      indices[to] = block.columns[i] as number;
      data[to] = block.values[i] as number | bigint;
    }
  }
  return { data, indices, indptr };
}

/** `array[begin, end)` as an array of its own. */
export function copyRange(
  array: NumericArray,
  dtype: DType,
  begin: number,
  end: number,
): NumericArray {
  const copy = allocate(dtype, end - begin);
  setNumbers(copy, array.subarray(begin, end), 0);
  return copy;
}
