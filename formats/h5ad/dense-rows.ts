import { allocate, type DType, itemBytes, type NumericArray } from "../common/dtype.ts";
import { numbersOf } from "../common/numbers.ts";
import { canDecode, decodeChunk, freeChunk } from "../hdf5/filters.ts";
import type { ChunkedLayout, DatasetStorage } from "../hdf5/storage.ts";
import { type CsrBlock, DEFAULT_BLOCK_BYTES, type RowBlockOptions } from "./csr-block.ts";
import { type DatasetNode, describe, type Source } from "./source.ts";

/** Rows may be read a whole chunk high up to this many bytes, so that no chunk is decoded twice. */
const MAX_ALIGNED_BYTES = 64 << 20;

/** A two-dimensional number dataset. */
export class DenseArray {
  readonly path: string;
  readonly shape: readonly [number, number];
  readonly dtype: DType;
  readonly #source: Source;
  readonly #storage: DatasetStorage;

  private constructor(source: Source, path: string, storage: DatasetStorage) {
    this.#source = source;
    this.path = path;
    this.#storage = storage;
    this.dtype = storage.dtype;
    this.shape = [storage.shape[0] ?? 0, storage.shape[1] ?? 0];
  }

  static async open(source: Source, node: DatasetNode): Promise<DenseArray> {
    const { shape } = node.dataset;
    if (shape === null || shape.length !== 2) {
      const found = shape === null ? "no data" : `shape [${shape}]`;
      throw source.error("wrong-shape", `${node.path} has ${found}, expected a matrix`);
    }
    return new DenseArray(source, node.path, await source.storageOf(node.path));
  }

  /** Rows of one chunk, 1 when the dataset is not chunked. */
  get chunkRows(): number {
    const { layout } = this.#storage;
    return layout.kind === "chunked" ? (layout.chunk[0] ?? 1) : 1;
  }

  /** Rows [begin, end), row-major. */
  async rows(begin: number, end: number): Promise<NumericArray> {
    const { layout, littleEndian, dtype } = this.#storage;
    const [, columns] = this.shape;
    const size = itemBytes(dtype);
    if (columns === 0 || end <= begin) return allocate(dtype, 0);
    if (layout.kind === "contiguous") {
      const bytes = new Uint8Array((end - begin) * columns * size);
      this.#source.bytes.readInto(layout.address + begin * columns * size, bytes);
      return numbersOf(bytes, dtype, littleEndian);
    }
    if (layout.kind === "chunked" && canDecode(layout.filters)) {
      return numbersOf(this.#chunkedRows(layout, begin, end), dtype, littleEndian);
    }
    const values = await this.#source.hdf5.read(this.path, [begin, 0], [end, columns]);
    if (values.kind === "number" || values.kind === "boolean") return values.values;
    const { dataset } = await this.#source.dataset(this.path);
    throw this.#source.error("wrong-type", `${this.path} holds ${describe(dataset)}`);
  }

  #chunkedRows(layout: ChunkedLayout, begin: number, end: number): Uint8Array<ArrayBuffer> {
    const [, columns] = this.shape;
    const size = itemBytes(this.dtype);
    const [chunkRows = 1, chunkColumns = 1] = layout.chunk;
    const across = Math.ceil(columns / chunkColumns);
    const out = new Uint8Array((end - begin) * columns * size);
    const firstBand = Math.floor(begin / chunkRows);
    const lastBand = Math.floor((end - 1) / chunkRows);
    for (let band = firstBand; band <= lastBand; band++) {
      const bandBegin = band * chunkRows;
      const from = Math.max(begin, bandBegin);
      const to = Math.min(end, bandBegin + chunkRows);
      for (let k = 0; k < across; k++) {
        const at = band * across + k;
        const chunk = decodeChunk(
          this.#source.bytes.read(layout.addresses[at] as number, layout.sizes[at] as number),
          layout.filters,
          layout.masks[at] as number,
          size,
          chunkRows * chunkColumns * size,
          `${this.#source.path}:${this.path}`,
        );
        const column = k * chunkColumns;
        const width = Math.min(chunkColumns, columns - column) * size;
        for (let row = from; row < to; row++) {
          const source = (row - bandBegin) * chunkColumns * size;
          out.set(
            chunk.subarray(source, source + width),
            ((row - begin) * columns + column) * size,
          );
        }
        freeChunk(chunk);
      }
    }
    return out;
  }
}

/** Streams a dense matrix as scipy's csr_matrix(dense) has it: zeros dropped, NaN kept. */
export async function* denseRowBlocks(
  array: DenseArray,
  options: RowBlockOptions,
): AsyncGenerator<CsrBlock> {
  const [nRows, nColumns] = array.shape;
  const end = Math.min(nRows, options.end ?? nRows);
  let row = Math.max(0, options.begin ?? 0);
  const rowBytes = Math.max(1, nColumns * itemBytes(array.dtype));
  const wanted = Math.max(1, Math.floor((options.blockBytes ?? DEFAULT_BLOCK_BYTES) / rowBytes));
  const { chunkRows } = array;
  const alignedRows = Math.max(chunkRows, Math.floor(wanted / chunkRows) * chunkRows);
  const isAligned = alignedRows * rowBytes <= Math.max(MAX_ALIGNED_BYTES, wanted * rowBytes);
  const step = isAligned ? alignedRows : Math.max(wanted, Math.floor(MAX_ALIGNED_BYTES / rowBytes));
  while (row < end) {
    options.signal?.throwIfAborted();
    const stop = Math.min(end, Math.floor(row / step) * step + step);
    yield compress(await array.rows(row, stop), row, stop, nColumns);
    row = stop;
  }
}

/** @param dense rows [rowBegin, rowEnd), row-major */
function compress(
  dense: NumericArray,
  rowBegin: number,
  rowEnd: number,
  nColumns: number,
): CsrBlock {
  const rows = rowEnd - rowBegin;
  const indptr = new Float64Array(rows + 1);
  let count = 0;
  for (let r = 0, at = 0; r < rows; r++) {
    // Loose comparison would treat 0n as 0; both are spelled out because the arrays are of either kind.
    for (const stop = at + nColumns; at < stop; at++) {
      const value = dense[at];
      if (value !== 0 && value !== 0n) count++;
    }
    indptr[r + 1] = count;
  }
  const indices = new Uint32Array(count);
  // slice() gives an array of the same kind, here only of the right length.
  const data = dense.slice(0, count);
  let to = 0;
  for (let r = 0, at = 0; r < rows; r++) {
    for (let c = 0; c < nColumns; c++, at++) {
      const value = dense[at];
      if (value === 0 || value === 0n || value === undefined) continue;
      indices[to] = c;
      data[to] = value;
      to++;
    }
  }
  return { rowBegin, rowEnd, data, indices, indptr };
}
