import fs from "node:fs";
import zlib from "node:zlib";
import { castKernel } from "../../formats/common/cast.ts";
import { itemBytes, smallestUnsigned, type UnsignedDType } from "../../formats/common/dtype.ts";
import { fromFsError } from "../../formats/common/errors.ts";

/** Elements converted at a time. */
const BLOCK = 1 << 17;

/**
 * Writes row_ptr.npy as the rows come. While the number of values is unknown (dense input) the
 * pointers wait in a float64 file beside it and are narrowed at the end.
 */
export class RowPointerWriter {
  readonly #path: string;
  readonly #widePath: string;
  readonly #dtype: UnsignedDType | null;
  #descriptor: number;
  #last = 0;
  #bytes = 0;
  #crc = 0;

  /** @param dtype null when the total is not known yet */
  constructor(path: string, dtype: UnsignedDType | null) {
    this.#path = path;
    this.#widePath = `${path}.wide`;
    this.#dtype = dtype;
    this.#descriptor = openFor(dtype === null ? this.#widePath : path);
    this.#write(Float64Array.of(0));
  }

  /** The last pointer written: the number of values so far. */
  get nnz(): number {
    return this.#last;
  }

  /** Appends `pointers[1..]`, which count from `pointers[0]` = the values already written. */
  append(pointers: Float64Array): void {
    const base = this.#last - (pointers[0] ?? 0);
    for (let at = 1; at < pointers.length; at += BLOCK) {
      const block = pointers.slice(at, at + BLOCK);
      if (base !== 0) for (let i = 0; i < block.length; i++) block[i] = (block[i] ?? 0) + base;
      this.#write(block);
    }
    this.#last += (pointers.at(-1) ?? 0) - (pointers[0] ?? 0);
  }

  /** Closes the file. @returns its type, size and checksum */
  finish(): { readonly dtype: UnsignedDType; readonly bytes: number; readonly crc32: number } {
    fs.closeSync(this.#descriptor);
    if (this.#dtype !== null) return { dtype: this.#dtype, bytes: this.#bytes, crc32: this.#crc };
    const dtype = smallestUnsigned(this.#last);
    const narrow = new RowPointerWriter(this.#path, dtype);
    const wide = fs.openSync(this.#widePath, "r");
    try {
      const block = new Float64Array(BLOCK);
      const bytes = new Uint8Array(block.buffer);
      for (let position = 8; ; ) {
        const count = fs.readSync(wide, bytes, 0, bytes.byteLength, position);
        if (count === 0) break;
        narrow.#write(block.subarray(0, count / 8));
        position += count;
      }
    } finally {
      fs.closeSync(wide);
    }
    fs.rmSync(this.#widePath);
    return narrow.finish();
  }

  #write(pointers: Float64Array): void {
    let bytes: Uint8Array = new Uint8Array(
      pointers.buffer,
      pointers.byteOffset,
      pointers.byteLength,
    );
    if (this.#dtype !== null) {
      bytes = new Uint8Array(pointers.length * itemBytes(this.#dtype));
      castKernel("float64", this.#dtype)(pointers, bytes);
    }
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        done += fs.writeSync(this.#descriptor, bytes, done);
      }
    } catch (error) {
      throw fromFsError(error, this.#path);
    }
    this.#bytes += bytes.byteLength;
    this.#crc = zlib.crc32(bytes, this.#crc);
  }
}

function openFor(path: string): number {
  try {
    return fs.openSync(path, "w");
  } catch (error) {
    throw fromFsError(error, path);
  }
}
