/** The checks of one compressed matrix, fed with its row pointers and columns in file order. */

export interface CsrFinding {
  readonly severity: "error" | "note";
  readonly where: "pointers" | "columns";
  readonly message: string;
}

type Numbers = Uint8Array | Uint16Array | Uint32Array | Float64Array;

export class VerifyCsr {
  /** The last row pointer seen: columns up to here may be fed. */
  pointerEnd = 0;
  /** Whether the row pointers were found wrong; columns are no longer checked then. */
  failed = false;
  readonly #limits: readonly { readonly rowEnd: number; readonly limit: number }[];
  readonly #length: number;
  readonly #what: string;
  readonly #findings: CsrFinding[] = [];
  /** The last chunk of row pointers, and the index of its first. */
  #starts: Numbers = new Uint8Array(0);
  #startsRow = 0;
  /** Index of the last row pointer seen. */
  #rowsSeen = -1;
  /** The next column belongs to row `#row`, which ends at `#rowEnd`. */
  #row = -1;
  #rowEnd = 0;
  #at = 0;
  #block = 0;
  #limit = Number.POSITIVE_INFINITY;
  #previous = -1;
  #outside = 0;
  #firstOutside = "";
  #unsorted = 0;
  #duplicates = 0;

  /**
   * `limits`: up to which row indices must be below which limit; `length`: number of columns.
   */
  constructor(
    limits: readonly { readonly rowEnd: number; readonly limit: number }[],
    length: number,
    what: "column" | "neighbour",
  ) {
    this.#limits = limits;
    this.#length = length;
    this.#what = what;
  }

  /** The next row pointers; false when they are wrong and nothing more can be checked. */
  pointers(values: Numbers): boolean {
    if (this.failed) return false;
    let previous = this.pointerEnd;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      if (
        value < previous ||
        value > this.#length ||
        (this.#rowsSeen < 0 && i === 0 && value > 0)
      ) {
        this.#fail(this.#rowsSeen + 1 + i, value, previous);
        return false;
      }
      previous = value;
    }
    this.#starts = values.slice();
    this.#startsRow = this.#rowsSeen + 1;
    this.#rowsSeen += values.length;
    this.pointerEnd = previous;
    return true;
  }

  #fail(index: number, value: number, previous: number): void {
    this.failed = true;
    const expected =
      index === 0 ? "0" : value < previous ? `at least ${previous}` : `at most ${this.#length}`;
    this.#findings.push({
      severity: "error",
      where: "pointers",
      message: `row pointer ${index}: expected ${expected}, found ${value}`,
    });
  }

  /** The next columns, none beyond {@link pointerEnd}. */
  columns(values: Numbers): void {
    for (let i = 0; i < values.length; ) {
      while (this.#at >= this.#rowEnd) this.#nextRow();
      const end = Math.min(values.length, i + this.#rowEnd - this.#at);
      this.#at += end - i;
      this.#checkRow(values, i, end);
      i = end;
    }
  }

  #nextRow(): void {
    // Rows that ended with the last chunk of row pointers and were empty are behind us.
    this.#row = Math.max(this.#row + 1, this.#startsRow - 1);
    this.#rowEnd = this.#starts[this.#row + 1 - this.#startsRow] as number;
    this.#previous = -1;
    while (this.#block < this.#limits.length) {
      const block = this.#limits[this.#block];
      if (block === undefined || this.#row < block.rowEnd) break;
      this.#block++;
    }
    this.#limit = this.#limits[this.#block]?.limit ?? Number.POSITIVE_INFINITY;
  }

  #checkRow(values: Numbers, begin: number, end: number): void {
    const limit = this.#limit;
    let previous = this.#previous;
    for (let i = begin; i < end; i++) {
      const value = values[i] as number;
      if (value <= previous) {
        if (value === previous) this.#duplicates++;
        else this.#unsorted++;
      }
      if (value >= limit) this.#reportOutside(value);
      previous = value;
    }
    this.#previous = previous;
  }

  #reportOutside(value: number): void {
    this.#outside++;
    this.#firstOutside ||= `row ${this.#row}: expected ${this.#what}s below ${this.#limit}, found ${value}`;
  }

  findings(): readonly CsrFinding[] {
    const found = [...this.#findings];
    if (this.#outside > 0) {
      const more = this.#outside > 1 ? ` (and ${this.#outside - 1} more)` : "";
      found.push({ severity: "error", where: "columns", message: this.#firstOutside + more });
    }
    // Nothing in the format forbids these; readers that search a row by bisection must know.
    if (this.#unsorted > 0) {
      found.push({
        severity: "note",
        where: "columns",
        message: `${this.#unsorted} ${this.#what}s are smaller than the one before them in their row`,
      });
    }
    if (this.#duplicates > 0) {
      found.push({
        severity: "note",
        where: "columns",
        message: `${this.#duplicates} ${this.#what}s repeat the one before them in their row`,
      });
    }
    return found;
  }
}
