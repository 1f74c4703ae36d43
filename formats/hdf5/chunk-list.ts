import type { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";
import type { FilterSpec } from "./filters.ts";
import type { ChunkedLayout, DatasetLayout } from "./storage.ts";

/** What every chunk index needs to know about its dataset. */
export interface ChunkGrid {
  readonly shape: readonly number[];
  /** Elements of a chunk along each axis, all at least 1. */
  readonly chunk: readonly number[];
  /** Chunks along each axis. */
  readonly counts: readonly number[];
  /** Product of {@link counts}. */
  readonly total: number;
  /** Decoded bytes of one chunk. */
  readonly chunkBytes: number;
  readonly filters: readonly FilterSpec[];
}

/** HDF5 keeps chunks below 4 GiB; larger than this cannot be decoded in one piece here. */
const MAX_CHUNK_BYTES = 2 ** 31 - 1;

/** @returns null when the chunk is larger than this package decodes. */
export function chunkGrid(
  shape: readonly number[],
  chunk: readonly number[],
  itemBytes: number,
  filters: readonly FilterSpec[],
): ChunkGrid | null {
  let total = 1;
  let chunkBytes = itemBytes;
  const counts: number[] = [];
  for (const [axis, length] of shape.entries()) {
    const step = chunk[axis] ?? 0;
    if (step < 1) return null;
    const count = Math.ceil(length / step);
    counts.push(count);
    total *= count;
    chunkBytes *= step;
  }
  if (chunkBytes > MAX_CHUNK_BYTES || total > Number.MAX_SAFE_INTEGER) return null;
  return { shape, chunk, counts, total, chunkBytes, filters };
}

/** Collects the chunks an index names, checks them, and sorts them by position. */
export class ChunkList {
  readonly #file: FileSource;
  readonly #grid: ChunkGrid;
  readonly #numbers: number[] = [];
  readonly #addresses: number[] = [];
  readonly #sizes: number[] = [];
  readonly #masks: number[] = [];

  constructor(file: FileSource, grid: ChunkGrid) {
    this.#file = file;
    this.#grid = grid;
  }

  /** Number of the chunk that begins at `begins` (last axis fastest). */
  numberOf(begins: readonly number[]): number {
    const { chunk, counts } = this.#grid;
    let number = 0;
    for (const [axis, begin] of begins.entries()) {
      const step = chunk[axis] as number;
      const count = counts[axis] as number;
      const index = begin / step;
      if (!Number.isInteger(index)) {
        throw new FormatError("bad-chunk-index", `a chunk begins at element ${begin}`, {
          path: this.#file.path,
        });
      }
      // A shrunk dataset keeps chunks that lie outside it; they are not part of it any more.
      if (index >= count) return -1;
      number = number * count + index;
    }
    return number;
  }

  /** @param number the chunk's place in row-major order */
  add(number: number, address: number, byteLength: number, mask: number): void {
    if (number < 0) return;
    const { total, filters, chunkBytes } = this.#grid;
    if (this.#numbers.length >= total || number >= total) {
      throw new FormatError("bad-chunk-index", `more than the ${total} chunks of the dataset`, {
        path: this.#file.path,
      });
    }
    if (byteLength < 0 || address + byteLength > this.#file.byteLength) {
      throw new FormatError(
        "truncated",
        `a chunk of ${byteLength} bytes ends outside the file of ${this.#file.byteLength} bytes`,
        { path: this.#file.path, offset: address },
      );
    }
    if (filters.length === 0 && byteLength !== chunkBytes) {
      throw new FormatError(
        "bad-chunk-index",
        `an unfiltered chunk of ${byteLength} bytes, expected ${chunkBytes}`,
        { path: this.#file.path, offset: address },
      );
    }
    this.#numbers.push(number);
    this.#addresses.push(address);
    this.#sizes.push(byteLength);
    this.#masks.push(mask);
  }

  /** Opaque when chunks were never written: their fill value is h5wasm's business. */
  finish(): DatasetLayout {
    const { total, chunk, counts, filters } = this.#grid;
    const found = this.#numbers.length;
    if (found < total) {
      return { kind: "opaque", reason: `${total - found} of ${total} chunks were never written` };
    }
    const order = this.#sortedOrder();
    const begins = chunk.map(() => new Float64Array(total));
    const addresses = new Float64Array(total);
    const sizes = new Uint32Array(total);
    const masks = new Uint32Array(total);
    for (let at = 0; at < total; at++) {
      const from = order === null ? at : (order[at] as number);
      let rest = this.#numbers[from] as number;
      if (rest !== at) {
        throw new FormatError("bad-chunk-index", `chunk ${at} of ${total} is listed twice`, {
          path: this.#file.path,
        });
      }
      addresses[at] = this.#addresses[from] as number;
      sizes[at] = this.#sizes[from] as number;
      masks[at] = this.#masks[from] as number;
      for (let axis = chunk.length - 1; axis >= 0; axis--) {
        const count = counts[axis] as number;
        const index = rest % count;
        rest = (rest - index) / count;
        (begins[axis] as Float64Array)[at] = index * (chunk[axis] as number);
      }
    }
    const layout: ChunkedLayout = {
      kind: "chunked",
      chunk,
      filters,
      begins,
      addresses,
      sizes,
      masks,
    };
    return layout;
  }

  /** Null when the chunks came in order already, as they do from every index but a hostile one. */
  #sortedOrder(): Uint32Array | null {
    const numbers = this.#numbers;
    let sorted = true;
    for (let i = 0; i < numbers.length && sorted; i++) sorted = numbers[i] === i;
    if (sorted) return null;
    const order = Uint32Array.from(numbers, (_, i) => i);
    return order.sort((a, b) => (numbers[a] as number) - (numbers[b] as number));
  }
}
