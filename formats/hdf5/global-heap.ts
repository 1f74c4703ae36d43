import type { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";

/** Bytes read ahead when collections follow each other in the file, as they do in written order. */
const WINDOW_BYTES = 256 << 10;
/** The size of a collection unless one of its objects is larger. */
const COLLECTION_BYTES = 4096;
const HEAD_BYTES = 16;
const MAX_COLLECTION_BYTES = 2 ** 31 - 1;

/**
 * Objects of global heap collections (format specification III.E), where strings are kept.
 *
 * Holds one window of the file and the parsed collection that was asked for last: strings in
 * written order parse every collection once. All buffers are reused; fresh ones would become
 * garbage faster than it is collected.
 */
export class GlobalHeap {
  readonly #file: FileSource;
  #window = new Uint8Array(WINDOW_BYTES);
  #windowBegin = 0;
  #windowLength = 0;
  /** The parsed collection: its address, its bytes in the window, where its objects lie in them. */
  #address = -1;
  #bytes = new Uint8Array(0);
  #count = 0;
  #begins = new Uint32Array(256);
  #lengths = new Uint32Array(256);

  constructor(file: FileSource) {
    this.#file = file;
  }

  /**
   * Copies an object up to its first NUL.
   *
   * @param address of the collection
   * @param length bytes that the reference claims
   * @returns bytes copied
   */
  copy(
    address: number,
    index: number,
    length: number,
    target: Uint8Array,
    targetBegin: number,
  ): number {
    if (this.#address !== address) this.#parse(address);
    const begin = index < this.#count ? (this.#begins[index] as number) : 0;
    if (begin === 0 || length > (this.#lengths[index] as number)) {
      throw this.#error(address, `no object ${index} of ${length} bytes in a heap collection`);
    }
    const bytes = this.#bytes;
    // Short strings by far the most: a loop is faster than a view and set().
    let i = 0;
    for (; i < length; i++) {
      const byte = bytes[begin + i] as number;
      if (byte === 0) break;
      target[targetBegin + i] = byte;
    }
    return i;
  }

  #error(address: number, message: string): FormatError {
    return new FormatError("bad-string", message, { path: this.#file.path, offset: address });
  }

  #parse(address: number): void {
    this.#address = -1;
    const head = this.#view(address, HEAD_BYTES);
    const isHeap = head[0] === 0x47 && head[1] === 0x43 && head[2] === 0x4f && head[3] === 0x4c;
    if (!isHeap) throw this.#error(address, "expected a heap collection");
    const byteLength = size(head, 8);
    if (byteLength < HEAD_BYTES || byteLength > MAX_COLLECTION_BYTES) {
      throw this.#error(address, `a heap collection of ${byteLength} bytes`);
    }
    const bytes = this.#view(address, byteLength);
    this.#begins.fill(0, 0, this.#count);
    this.#count = 0;
    for (let at = HEAD_BYTES; at + HEAD_BYTES <= byteLength; ) {
      const index = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
      if (index === 0) break; // free space up to the end
      const length = size(bytes, at + 8);
      const begin = at + HEAD_BYTES;
      if (begin + length > byteLength) {
        throw this.#error(address + at, `an object of ${length} bytes leaves its collection`);
      }
      this.#place(index, begin, length);
      at = begin + Math.ceil(length / 8) * 8;
    }
    this.#bytes = bytes;
    this.#address = address;
  }

  #place(index: number, begin: number, length: number): void {
    if (index >= this.#begins.length) {
      // An index has 16 bits: 65,536 objects at most.
      const begins = new Uint32Array(Math.min(65_536, 2 * (index + 1)));
      const lengths = new Uint32Array(begins.length);
      begins.set(this.#begins);
      lengths.set(this.#lengths);
      this.#begins = begins;
      this.#lengths = lengths;
    }
    this.#begins[index] = begin;
    this.#lengths[index] = length;
    if (index >= this.#count) this.#count = index + 1;
  }

  /** Bytes of the file, valid until the next call. */
  #view(address: number, byteLength: number): Uint8Array<ArrayBuffer> {
    const end = this.#windowBegin + this.#windowLength;
    if (address < this.#windowBegin || address + byteLength > end) {
      const isNext = address >= this.#windowBegin && address <= end + WINDOW_BYTES;
      const ahead = isNext ? WINDOW_BYTES : COLLECTION_BYTES;
      const available = Math.max(0, this.#file.byteLength - address);
      const wanted = Math.max(byteLength, Math.min(ahead, available));
      if (wanted > this.#window.byteLength) {
        // Checked before the memory is taken: the size comes from the file.
        if (wanted > available) throw this.#error(address, "a heap collection leaves the file");
        this.#window = new Uint8Array(wanted);
      }
      this.#windowLength = 0;
      this.#file.readInto(address, this.#window.subarray(0, wanted));
      this.#windowBegin = address;
      this.#windowLength = wanted;
    }
    const begin = address - this.#windowBegin;
    return this.#window.subarray(begin, begin + byteLength);
  }
}

/** A 64-bit size; anything past 2^53 is too large for the checks that follow. */
function size(bytes: Uint8Array, at: number): number {
  const low = u32(bytes, at);
  const high = u32(bytes, at + 4);
  return high === 0 ? low : high * 2 ** 32 + low;
}

function u32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}
