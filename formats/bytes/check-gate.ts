import type { ByteSource } from "./byte-source.ts";

const READS_PER_CHECK = 64;

/**
 * When files that are read a few bytes at a time are compared with what was opened: on the first
 * read after other code had its turn, and on every 64th in between. A comparison for each read would
 * cost more than the read.
 */
export class CheckGate {
  readonly #sources: readonly ByteSource[];
  #left = 0;
  #isScheduled = false;

  constructor(sources: readonly ByteSource[]) {
    this.#sources = sources;
  }

  /** Call before every read. @throws as {@link ByteSource.check} */
  pass(): void {
    if (this.#left > 0) this.#left--;
    else this.#check();
  }

  /** The next read is checked: after a source was closed. */
  shut(): void {
    this.#left = 0;
  }

  #check(): void {
    for (const source of this.#sources) source.check();
    this.#left = READS_PER_CHECK - 1;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#left = 0;
    }).unref();
  }
}
