import type { ByteSource } from "../bytes/byte-source.ts";
import { FormatError } from "../common/errors.ts";
import { type NameIndexShape, SLOT_BYTES } from "./layout.ts";
import { hashAscii, hashName, homeOf } from "./name-hash.ts";
import type { RaggedBytes } from "./ragged-bytes.ts";

/** The row in a slot that holds none. */
export const EMPTY = 0xffff_ffff;

/**
 * Rows by name: slots of (hash, row) in the order of the hashes, each at its home or after it where
 * that is taken. A search ends at the first empty slot or larger hash.
 */
export class NameIndex {
  readonly #source: ByteSource;
  readonly #records: RaggedBytes;
  readonly #homes: number;
  readonly #slots: number;
  readonly #longestProbe: number;
  readonly #pair = new Uint32Array(2);
  readonly #pairBytes = new Uint8Array(this.#pair.buffer);
  #words: Uint32Array | null | undefined;

  /** The caller has checked that the file holds as many slots as `shape` says. */
  constructor(source: ByteSource, shape: NameIndexShape, records: RaggedBytes) {
    this.#source = source;
    this.#records = records;
    this.#homes = shape.homes;
    this.#slots = shape.slots;
    this.#longestProbe = shape.longestProbe;
  }

  /** The row of a name, or -1. @throws FormatError for a row that there is not */
  find(name: string): number {
    const hash = hashAscii(name);
    if (hash >= 0) return this.#search(hash, name, null, 0, 0);
    const bytes = Buffer.from(name);
    return this.findBytes(bytes, 0, bytes.byteLength);
  }

  /** The row of the name in bytes [begin, end), which are UTF-8, or -1. */
  findBytes(bytes: Uint8Array, begin: number, end: number): number {
    return this.#search(hashName(bytes, begin, end), null, bytes, begin, end);
  }

  #search(
    hash: number,
    text: string | null,
    bytes: Uint8Array | null,
    begin: number,
    end: number,
  ): number {
    let slot = homeOf(hash, this.#homes);
    const last = Math.min(slot + this.#longestProbe, this.#slots - 1);
    const words = this.#words === undefined ? this.#load() : this.#words;
    for (; slot <= last; slot++) {
      const at = words === null ? this.#readSlot(slot) : 2 * slot;
      const from = words ?? this.#pair;
      const row = from[at + 1] as number;
      if (row === EMPTY) return -1;
      const found = from[at] as number;
      if (found > hash) return -1;
      if (found === hash && this.#isNamed(row, slot, text, bytes, begin, end)) return row;
    }
    return -1;
  }

  #isNamed(
    row: number,
    slot: number,
    text: string | null,
    bytes: Uint8Array | null,
    begin: number,
    end: number,
  ): boolean {
    const records = this.#records;
    const entry = 2 * row;
    if (entry >= records.length) this.#fail(row, slot);
    records.seek(entry);
    const length = records.end - records.begin;
    if (length !== (text === null ? end - begin : text.length)) return false;
    const mapped = records.memory;
    const memory = mapped ?? records.copy(entry);
    const nameBegin = mapped === null ? 0 : records.begin;
    if (text !== null) {
      for (let i = 0; i < length; i++) {
        if (memory[nameBegin + i] !== text.charCodeAt(i)) return false;
      }
    } else if (bytes !== null) {
      for (let i = 0; i < length; i++) {
        if (memory[nameBegin + i] !== bytes[begin + i]) return false;
      }
    }
    return true;
  }

  #readSlot(slot: number): number {
    this.#source.readInto(SLOT_BYTES * slot, this.#pairBytes);
    return 0;
  }

  #load(): Uint32Array | null {
    const { bytes } = this.#source;
    this.#words =
      bytes === null ? null : new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    return this.#words;
  }

  #fail(row: number, slot: number): never {
    throw new FormatError(
      "bad-name-index",
      `slot ${slot} names row ${row}, expected one of ${this.#records.length / 2} proteins`,
      {
        path: this.#source.path,
        offset: SLOT_BYTES * slot,
        suggestions: ["build the store again: the file is damaged"],
      },
    );
  }
}
