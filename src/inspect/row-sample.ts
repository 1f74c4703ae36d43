/** Which rows the distributions come from: a pure function of the matrix's size. */

export interface RowRange {
  readonly begin: number;
  readonly end: number;
}

const MAX_ROWS = 20_000;
const MAX_VALUES = 20_000_000;
const RANGES = 50;

/**
 * All rows of a small matrix, else evenly spaced runs of rows: neighbours on disk cost one read.
 *
 * @param valuesPerRow average number of values that reading a row costs
 */
export function sampleRows(nRows: number, valuesPerRow: number): RowRange[] {
  const affordable = Math.floor(MAX_VALUES / Math.max(1, valuesPerRow));
  const wanted = Math.max(1, Math.min(nRows, MAX_ROWS, affordable));
  if (nRows === 0) return [];
  if (wanted === nRows) return [{ begin: 0, end: nRows }];
  const ranges = Math.min(RANGES, wanted);
  const rowsPerRange = Math.floor(wanted / ranges);
  return Array.from({ length: ranges }, (_, i) => {
    const begin = Math.floor((i * (nRows - rowsPerRange)) / Math.max(1, ranges - 1));
    return { begin, end: begin + rowsPerRange };
  });
}

/** Sum and number of nonzero values of each row of a CSR block, appended to `counts` and `genes`. */
export class RowTotals {
  readonly #counts: number[] = [];
  readonly #genes: number[] = [];

  /** @param indptr where each row begins in `data`: rows + 1 numbers */
  add(data: ArrayLike<number | bigint>, indptr: ArrayLike<number>): void {
    for (let row = 0; row + 1 < indptr.length; row++) {
      let sum = 0;
      let nonzero = 0;
      const end = indptr[row + 1] ?? 0;
      for (let at = indptr[row] ?? 0; at < end; at++) {
        const value = Number(data[at]);
        sum += value;
        if (value !== 0) nonzero++;
      }
      this.#counts.push(sum);
      this.#genes.push(nonzero);
    }
  }

  get rows(): number {
    return this.#counts.length;
  }

  /** Values other than zero in all rows added. */
  get nonzero(): number {
    return this.#genes.reduce((sum, genes) => sum + genes, 0);
  }

  /** Rows whose sum is a finite number, and all of them for genes. */
  values(): { counts: Float64Array; genes: Float64Array } {
    return {
      counts: Float64Array.from(this.#counts.filter(Number.isFinite)),
      genes: Float64Array.from(this.#genes),
    };
  }
}
