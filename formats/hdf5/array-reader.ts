import type { FileSource } from "../bytes/file-source.ts";
import { allocate, type DType, itemBytes, type NumericArray } from "../common/dtype.ts";
import { FormatError } from "../common/errors.ts";
import { numbersOf } from "../common/numbers.ts";
import { canDecode, decodeChunk, freeChunk } from "./filters.ts";
import type { Hdf5File } from "./hdf5-file.ts";
import type { ArrayStorage } from "./storage.ts";

/** Elements of one request to the HDF5 thread. */
const SLICE_ELEMENTS = 1 << 20;

/**
 * Reads ranges of a one-dimensional number dataset: straight from the file where its bytes were
 * located and every filter is known here, else through the HDF5 library.
 *
 * Keeps the last decoded chunk, so reading ranges in ascending order decodes every chunk once.
 */
export class ArrayReader {
  readonly path: string;
  readonly dtype: DType;
  readonly length: number;
  readonly #hdf5: Hdf5File;
  readonly #file: FileSource;
  readonly #storage: ArrayStorage;
  #chunkIndex = -1;
  #chunk: Uint8Array | null = null;

  constructor(hdf5: Hdf5File, file: FileSource, path: string, storage: ArrayStorage) {
    this.#hdf5 = hdf5;
    this.#file = file;
    this.path = path;
    this.#storage = storage;
    this.dtype = storage.dtype;
    this.length = storage.length;
  }

  /** Whether {@link read} works without the HDF5 library. */
  get isDirect(): boolean {
    const { layout } = this.#storage;
    return layout.kind === "contiguous" || (layout.kind === "chunked" && canDecode(layout.filters));
  }

  /** Elements [begin, end) in native byte order; float16 comes widened to float32. */
  async read(begin: number, end: number): Promise<NumericArray> {
    if (begin < 0 || end < begin || end > this.length) {
      throw new FormatError(
        "out-of-range",
        `elements ${begin} to ${end} of ${this.path}, which has ${this.length}`,
        { path: this.#file.path },
      );
    }
    return this.isDirect ? this.readDirect(begin, end) : this.#readThrough(begin, end);
  }

  /** {@link read} without waiting; only when {@link isDirect}. */
  readDirect(begin: number, end: number): NumericArray {
    const { dtype, littleEndian, layout } = this.#storage;
    const size = itemBytes(dtype);
    const bytes = new Uint8Array((end - begin) * size);
    if (layout.kind === "contiguous") {
      this.#file.readInto(layout.address + begin * size, bytes);
    } else if (layout.kind === "chunked") {
      const { chunkLength } = layout;
      for (let at = begin; at < end; ) {
        const index = Math.floor(at / chunkLength);
        const chunkBegin = index * chunkLength;
        const stop = Math.min(end, chunkBegin + chunkLength);
        const chunk = this.#decoded(index);
        bytes.set(
          chunk.subarray((at - chunkBegin) * size, (stop - chunkBegin) * size),
          (at - begin) * size,
        );
        at = stop;
      }
    }
    return numbersOf(bytes, dtype, littleEndian);
  }

  #decoded(index: number): Uint8Array {
    if (this.#chunk !== null && this.#chunkIndex === index) return this.#chunk;
    const { layout, dtype } = this.#storage;
    if (layout.kind !== "chunked") throw new FormatError("wrong-type", "not chunked", this.#file);
    const raw = this.#file.read(layout.addresses[index] as number, layout.sizes[index] as number);
    const size = itemBytes(dtype);
    if (this.#chunk !== null) freeChunk(this.#chunk);
    this.#chunk = null;
    this.#chunk = decodeChunk(
      raw,
      layout.filters,
      layout.masks[index] as number,
      size,
      layout.chunkLength * size,
      `${this.#file.path}:${this.path}`,
    );
    this.#chunkIndex = index;
    return this.#chunk;
  }

  async #readThrough(begin: number, end: number): Promise<NumericArray> {
    const target = allocate(this.dtype, end - begin);
    for (let at = begin; at < end; at += SLICE_ELEMENTS) {
      const stop = Math.min(end, at + SLICE_ELEMENTS);
      const block = await this.#hdf5.read(this.path, [at], [stop]);
      const values =
        block.kind === "number" || block.kind === "boolean"
          ? block.values
          : this.#wrongType(block.kind);
      setNumbers(target, values, at - begin);
    }
    return target;
  }

  #wrongType(kind: string): never {
    throw new FormatError("wrong-type", `${this.path} holds ${kind}s, expected numbers`, {
      path: this.#file.path,
    });
  }
}

/** `target.set(values, at)` for two arrays of one element type. */
export function setNumbers(target: NumericArray, values: NumericArray, at: number): void {
  if (target instanceof BigInt64Array || target instanceof BigUint64Array) {
    if (values instanceof BigInt64Array || values instanceof BigUint64Array) target.set(values, at);
  } else if (!(values instanceof BigInt64Array || values instanceof BigUint64Array)) {
    target.set(values, at);
  }
}
