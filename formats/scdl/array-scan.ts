/** Arrays of a data set read from start to end in chunks of bounded size, with their checksum. */
import { changedError } from "../bytes/byte-source.ts";
import { FileSource } from "../bytes/file-source.ts";
import { crc32 } from "../common/crc32.ts";
import { itemBytes, type ScdlDType, type UnsignedDType } from "../common/dtype.ts";
import { FormatError } from "../common/errors.ts";
import type { FileDigest } from "../common/output-file.ts";

/** Sequential reads of one array file. */
export class ArrayScan {
  readonly path: string;
  readonly dtype: ScdlDType;
  /** Elements. */
  readonly length: number;
  readonly #file: FileSource;
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
    this.#file = FileSource.open(file.path);
    const expected = file.length * itemBytes(file.dtype);
    if (this.#file.byteLength !== expected) {
      this.close();
      throw changedError(file.path, expected, this.#file.byteLength);
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
    this.#file.readInto(this.#at * item, bytes);
    this.#at += count;
    this.#crc = crc32(bytes, this.#crc);
    return bytes;
  }

  close(): void {
    this.#file.close();
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
