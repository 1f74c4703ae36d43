import { ByteSlab } from "../bytes/byte-slab.ts";
import type { ByteSource } from "../bytes/byte-source.ts";
import { FormatError } from "../common/errors.ts";

const OFFSET_BYTES = 8;

/**
 * Entries of one file, found by the uint64 offsets in another: entry i is bytes
 * [offsets[i], offsets[i + 1]). The caller passes a CheckGate before each call and has checked that
 * the offsets file holds one offset more than there are entries.
 */
export class RaggedBytes {
  readonly length: number;
  readonly #bytes: ByteSource | null;
  readonly #offsets: ByteSource;
  readonly #end: number;
  #words: Uint32Array | null | undefined;
  #memory: Uint8Array | null | undefined;
  #buffer: Buffer | null = null;
  readonly #slab = new ByteSlab();
  #begins = new Float64Array(0);
  /** Of {@link gather}; kept so that its reads are not left out as without use. */
  touched = 0;
  readonly #pair = new Uint32Array(4);
  readonly #pairBytes = new Uint8Array(this.#pair.buffer);
  /** Where the entry of the last {@link seek} lies. */
  begin = 0;
  end = 0;

  /** @param end what offsets must not exceed; default the length of `bytes` */
  constructor(bytes: ByteSource | null, offsets: ByteSource, end = bytes?.byteLength ?? 0) {
    this.#bytes = bytes;
    this.#offsets = offsets;
    this.#end = end;
    this.length = offsets.byteLength / OFFSET_BYTES - 1;
  }

  /** The file itself in memory, or null where only reads serve. */
  get memory(): Uint8Array | null {
    if (this.#memory === undefined) this.#memory = this.#bytes?.bytes ?? null;
    return this.#memory;
  }

  /** Sets {@link begin} and {@link end} to those of entry i, 0 to length - 1. @throws FormatError */
  seek(i: number): void {
    let words = this.#words;
    let at = 2 * i;
    if (words === undefined) words = this.#load();
    if (words === null) {
      this.#offsets.readInto(OFFSET_BYTES * i, this.#pairBytes);
      words = this.#pair;
      at = 0;
    }
    const begin = (words[at] as number) + (words[at + 1] as number) * 0x1_0000_0000;
    const end = (words[at + 2] as number) + (words[at + 3] as number) * 0x1_0000_0000;
    if (!(begin <= end && end <= this.#end)) this.#fail(i, begin, end);
    this.begin = begin;
    this.end = end;
  }

  /** A copy of entry i, in a buffer that it shares with others, see ByteSlab. */
  copy(i: number): Uint8Array<ArrayBuffer> {
    this.seek(i);
    const { begin, end } = this;
    const copy = this.#slab.take(end - begin);
    const memory = this.memory;
    if (memory === null) this.#bytes?.readInto(begin, copy);
    else copy.set(memory.subarray(begin, end));
    return copy;
  }

  /**
   * Copies of many entries, one behind the other: entry k is bytes [offsets[k], offsets[k + 1]) of
   * `bytes`. Entry numbers are `stride * rows[k] + first`. All places are looked up before the first
   * copy, so that the memory answers many at a time.
   */
  gather(
    rows: ArrayLike<number>,
    stride: number,
    first: number,
    reuse: Uint8Array,
  ): { readonly bytes: Uint8Array; readonly offsets: Float64Array } {
    const count = rows.length;
    const offsets = new Float64Array(count + 1);
    const begins = this.#begins.length < count ? new Float64Array(2 * count) : this.#begins;
    this.#begins = begins;
    let total = 0;
    for (let k = 0; k < count; k++) {
      this.seek(stride * (rows[k] as number) + first);
      begins[k] = this.begin;
      total += this.end - this.begin;
      offsets[k + 1] = total;
    }
    const bytes = reuse.length >= total ? reuse : new Uint8Array(total);
    const { memory } = this;
    if (memory !== null) this.touched = touch(memory, begins, count);
    for (let k = 0; k < count; k++) {
      const at = offsets[k] as number;
      const begin = begins[k] as number;
      const length = (offsets[k + 1] as number) - at;
      if (memory === null) this.#bytes?.readInto(begin, bytes.subarray(at, at + length));
      else bytes.set(memory.subarray(begin, begin + length), at);
    }
    return { bytes, offsets };
  }

  /** Entry i as text of one byte a character, or in UTF-8. */
  text(i: number, encoding: "latin1" | "utf8"): string {
    this.seek(i);
    const memory = this.#buffer ?? this.#loadBuffer();
    if (memory !== null) return memory.toString(encoding, this.begin, this.end);
    return Buffer.from(this.copy(i)).toString(encoding);
  }

  #loadBuffer(): Buffer | null {
    const { memory } = this;
    if (memory === null) return null;
    this.#buffer = Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength);
    return this.#buffer;
  }

  #load(): Uint32Array | null {
    const { bytes } = this.#offsets;
    this.#words =
      bytes === null ? null : new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    return this.#words;
  }

  #fail(i: number, begin: number, end: number): never {
    throw new FormatError(
      "bad-offsets",
      `entry ${i} lies at ${begin} to ${end}, expected a range within 0 to ${this.#end}`,
      {
        path: this.#offsets.path,
        offset: OFFSET_BYTES * i,
        suggestions: ["build the store again: the file is damaged"],
      },
    );
  }
}

/** Reads a byte of each place: many are on their way at once, which copies one by one are not. */
function touch(memory: Uint8Array, begins: Float64Array, count: number): number {
  let sum = 0;
  for (let k = 0; k < count; k++) sum ^= memory[begins[k] as number] as number;
  return sum;
}
