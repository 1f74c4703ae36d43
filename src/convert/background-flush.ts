import fs from "node:fs";
import { promisify } from "node:util";

const fdatasync = promisify(fs.fdatasync);

/** Bytes between two flushes. */
const INTERVAL_BYTES = 128 * 2 ** 20;

/**
 * Flushes growing files to the disk while they are written, so that the final flush, which a
 * complete data set needs, finds little left. Failures are left to that final flush to report.
 */
export class BackgroundFlush {
  readonly #descriptors: readonly number[];
  #unflushed = 0;
  #running: Promise<void> | null = null;

  /** The files must exist. */
  constructor(paths: readonly string[]) {
    this.#descriptors = paths.map((path) => fs.openSync(path, "r+"));
  }

  /** Says that `bytes` more were written to the files. */
  add(bytes: number): void {
    this.#unflushed += bytes;
    if (this.#unflushed < INTERVAL_BYTES || this.#running !== null) return;
    this.#unflushed = 0;
    this.#running = this.#flush().finally(() => {
      this.#running = null;
    });
  }

  /** Waits for a flush in progress and closes the files. */
  async close(): Promise<void> {
    await this.#running;
    for (const descriptor of this.#descriptors) fs.closeSync(descriptor);
  }

  async #flush(): Promise<void> {
    await Promise.allSettled(this.#descriptors.map((descriptor) => fdatasync(descriptor)));
  }
}
