import os from "node:os";
import type { ElementSource } from "../../formats/bytes/element-source.ts";

/** Rows of a batch whose pages are looked up to tell a warm batch from a cold one. */
const SAMPLED_ROWS = 4;
/** After a page was missing, this many batches are announced without looking. */
const STAY_COLD_BATCHES = 32;
/** After this many warm batches in a row only one in this many is looked at. */
const SETTLED_BATCHES = 16;
/** Ranges of at least this many elements are always announced: a call is cheap beside the copy. */
const LONG_RANGE = 262_144;

/**
 * Tells the system which pages a batch needs, before the first is touched.
 *
 * Cold random rows are read one page fault after the other unless all are announced first
 * (MADV_WILLNEED): that is 38 times faster on a virtual disk. On warm pages the same calls would
 * cost as much as the copy, so a few pages of each batch are looked up first (`mincore`), and
 * announcing goes on for some batches once one was missing. Where the system does not tell
 * what is in memory, every batch is announced when the files are larger than the memory.
 */
export class PageCachePolicy {
  readonly #sources: readonly ElementSource[];
  readonly #announceAlways: boolean;
  readonly #canAsk: boolean;
  #coldBatches = 0;
  #warmBatches = 0;
  #announced = 0;

  constructor(sources: readonly ElementSource[]) {
    this.#sources = sources.filter((s) => s.source.advice !== null && s.length > 0);
    this.#canAsk = this.#sources.every((s) => s.isResident(0) !== null);
    const bytes = this.#sources.reduce((sum, s) => sum + s.length * s.itemBytes, 0);
    this.#announceAlways = !this.#canAsk && bytes > usableMemory();
    if (this.#canAsk || this.#announceAlways) {
      for (const { source } of this.#sources) source.advice?.random();
    }
  }

  /** Batches announced so far; for tests and reports. */
  get announced(): number {
    return this.#announced;
  }

  /** Call before copying ranges `[begins[i], ends[i])`. */
  beforeCopy(begins: Float64Array, ends: Float64Array, count: number): void {
    if (count === 0 || this.#sources.length === 0) return;
    if (!this.#isCold(begins, ends, count)) return;
    this.announce(begins, ends, count);
  }

  /** Announces ranges without asking. */
  announce(begins: Float64Array, ends: Float64Array, count: number): void {
    this.#announced++;
    for (const elements of this.#sources) {
      for (let i = 0; i < count; i++) {
        const begin = begins[i] as number;
        const end = ends[i] as number;
        if (end > begin) elements.willNeed(begin, end);
      }
    }
  }

  /** Reads everything into memory; false where the system cannot. */
  populate(): boolean {
    let done = this.#sources.length > 0;
    for (const { source } of this.#sources) done = (source.advice?.populate() ?? false) && done;
    return done;
  }

  #isCold(begins: Float64Array, ends: Float64Array, count: number): boolean {
    if (this.#announceAlways) return true;
    if (!this.#canAsk) return false;
    if (this.#coldBatches > 0) {
      this.#coldBatches--;
      return true;
    }
    if (count === 1 && (ends[0] as number) - (begins[0] as number) >= LONG_RANGE) return true;
    if (++this.#warmBatches > SETTLED_BATCHES && this.#warmBatches % SETTLED_BATCHES !== 0)
      return false;
    const step = Math.max(1, Math.floor(count / SAMPLED_ROWS));
    for (let i = 0; i < count; i += step) {
      // One file is enough: rows of one leave the cache about when those of the other do.
      const elements = this.#sources[0] as ElementSource;
      const begin = begins[i] as number;
      if (begin < elements.length && elements.isResident(begin) === false) {
        this.#warmBatches = 0;
        this.#coldBatches = count === 1 ? 0 : STAY_COLD_BATCHES;
        return true;
      }
    }
    return false;
  }
}

/** Bytes this process may keep in memory: the machine's, or its container's limit. */
function usableMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem();
}
