/** Which cells were counted, whatever their file is called. */
import { createHash } from "node:crypto";

/** A data set whose cells were counted. */
export interface MediansSource {
  /** As it was named. */
  readonly path: string;
  /** Those that were wanted. */
  readonly cells: number;
  /** Of the cells; the same for a copy of the data set, and for its conversion. */
  readonly sha256: string;
}

const ROWS = 4096;
const NUMBERS = 3;

/**
 * A checksum over cells in their order: three sums of each that change with any count and any gene. It
 * takes no reading of its own.
 */
export class CellFingerprint {
  readonly #hash = createHash("sha256");
  readonly #rows = new Float64Array(ROWS * NUMBERS);
  #filled = 0;

  /** The genes of the rows that follow. */
  addGenes(names: readonly string[]): void {
    this.#flush();
    this.#hash.update(JSON.stringify(names));
  }

  /**
   * @param total the sum of the row's counts
   * @param weighted the same, each times the number of its column from 1
   */
  addRow(values: number, total: number, weighted: number): void {
    this.#rows[this.#filled++] = values;
    this.#rows[this.#filled++] = total;
    this.#rows[this.#filled++] = weighted;
    if (this.#filled === this.#rows.length) this.#flush();
  }

  /** Once, at the end. */
  digest(): string {
    this.#flush();
    return this.#hash.digest("hex");
  }

  #flush(): void {
    this.#hash.update(new Uint8Array(this.#rows.buffer, 0, this.#filled * 8));
    this.#filled = 0;
  }
}
