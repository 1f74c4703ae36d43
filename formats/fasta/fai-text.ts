/** The lines of an index as they are written. */
import type { FaiEntry } from "./fai-scanner.ts";

const CHUNK_BYTES = 2 ** 18;
/** Five numbers below 2^53, tabs and a line feed. */
const MAX_NUMBERS_BYTES = 6 * 17;
const TAB = 9;

/** Collects lines and hands them over in chunks, which the taker owns. */
export class FaiText {
  readonly #take: (chunk: Uint8Array) => void;
  #chunk = new Uint8Array(CHUNK_BYTES);
  #used = 0;
  #byteLength = 0;

  constructor(take: (chunk: Uint8Array) => void) {
    this.#take = take;
  }

  /** Bytes so far. */
  get byteLength(): number {
    return this.#byteLength + this.#used;
  }

  /** `name, length, offset, lineBases, lineBytes`, in FASTQ also `qualitiesOffset`. */
  add(entry: FaiEntry, isFastq: boolean): void {
    const { header, nameBegin, nameEnd } = entry;
    const nameLength = nameEnd - nameBegin;
    if (this.#used + nameLength + MAX_NUMBERS_BYTES > this.#chunk.length) this.#next(nameLength);
    for (let i = nameBegin; i < nameEnd; i++) this.#chunk[this.#used++] = header[i] as number;
    this.#number(entry.length);
    this.#number(entry.offset);
    this.#number(entry.lineBases);
    this.#number(entry.lineBytes);
    if (isFastq) this.#number(entry.qualitiesOffset);
    this.#chunk[this.#used++] = 10;
  }

  /** Hands over the last chunk. */
  finish(): void {
    this.#next(0);
  }

  #next(nameLength: number): void {
    this.#take(this.#chunk.subarray(0, this.#used));
    this.#byteLength += this.#used;
    this.#chunk = new Uint8Array(Math.max(CHUNK_BYTES, nameLength + MAX_NUMBERS_BYTES));
    this.#used = 0;
  }

  /** A tab and the decimal digits. */
  #number(value: number): void {
    const chunk = this.#chunk;
    chunk[this.#used++] = TAB;
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits++;
    let rest = value;
    for (let i = this.#used + digits - 1; i >= this.#used; i--) {
      const tenth = Math.floor(rest / 10);
      chunk[i] = 48 + rest - tenth * 10;
      rest = tenth;
    }
    this.#used += digits;
  }
}
