/** Arrays of a data set read from start to end in chunks of bounded size, with their checksum. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { crc32 } from "../common/crc32.ts";
import { itemBytes, type ScdlDType, type UnsignedDType } from "../common/dtype.ts";
import { FormatError, fromFsError, StorageError } from "../common/errors.ts";
import type { FileDigest } from "../common/output-file.ts";

/** Sequential reads of one array file. */
export class ArrayScan {
  readonly path: string;
  readonly dtype: ScdlDType;
  /** Elements. */
  readonly length: number;
  readonly #fd: number;
  readonly #buffer: ArrayBuffer;
  #at: number;
  #crc = 0;

  /** `chunkLength` is the most elements of one read; reading starts at element `begin`. */
  constructor(
    file: { readonly path: string; readonly dtype: ScdlDType; readonly length: number },
    chunkLength: number,
    begin = 0,
  ) {
    this.path = file.path;
    this.dtype = file.dtype;
    this.length = file.length;
    this.#at = begin;
    this.#buffer = new ArrayBuffer(chunkLength * itemBytes(file.dtype));
    try {
      this.#fd = openSync(file.path, "r");
    } catch (error) {
      throw fromFsError(error, file.path);
    }
    const { size } = fstatSync(this.#fd);
    if (size !== file.length * itemBytes(file.dtype)) {
      this.close();
      throw new StorageError(
        "file-changed",
        `expected ${file.length * itemBytes(file.dtype)} bytes, found ${size}`,
        { path: file.path },
      );
    }
  }

  /** Elements read so far. */
  get position(): number {
    return this.#at;
  }

  /** Digest of everything read so far, from element 0. */
  get digest(): FileDigest {
    return { bytes: this.#at * itemBytes(this.dtype), crc32: this.#crc };
  }

  /** The bytes of the next elements, at most a chunk; valid until the next call. */
  next(length = Number.POSITIVE_INFINITY): Uint8Array<ArrayBuffer> {
    const item = itemBytes(this.dtype);
    const count = Math.min(length, this.length - this.#at, this.#buffer.byteLength / item);
    const bytes = new Uint8Array(this.#buffer, 0, count * item);
    for (let done = 0; done < bytes.byteLength; ) {
      const offset = this.#at * item + done;
      const read = readSync(this.#fd, bytes, done, bytes.byteLength - done, offset);
      if (read === 0) {
        throw new StorageError("file-changed", `expected more than ${offset} bytes`, {
          path: this.path,
        });
      }
      done += read;
    }
    this.#at += count;
    this.#crc = crc32(bytes, this.#crc);
    return bytes;
  }

  close(): void {
    closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Unsigned elements as plain numbers. @throws FormatError for one beyond 2^53. */
export function toNumbers(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: UnsignedDType,
  path: string,
): Uint8Array | Uint16Array | Uint32Array | Float64Array {
  const { buffer, byteOffset, byteLength } = bytes;
  switch (dtype) {
    case "uint8":
      return bytes;
    case "uint16":
      return new Uint16Array(buffer, byteOffset, byteLength / 2);
    case "uint32":
      return new Uint32Array(buffer, byteOffset, byteLength / 4);
    case "uint64": {
      const words = new Uint32Array(buffer, byteOffset, byteLength / 4);
      const numbers = new Float64Array(byteLength / 8);
      for (let i = 0; i < numbers.length; i++) {
        const high = words[2 * i + 1] as number;
        if (high >= 2 ** 21) {
          throw new FormatError("count-out-of-range", `expected numbers below 2^53`, { path });
        }
        numbers[i] = high * 2 ** 32 + (words[2 * i] as number);
      }
      return numbers;
    }
    default:
      return dtype satisfies never;
  }
}
