import type { FileAccess } from "../../formats/bytes/open-source.ts";
import { FormatError } from "../../formats/common/errors.ts";
import { hashParts, highBits } from "../random/hash.ts";
import type { DatasetArchive } from "./dataset-archive.ts";
import { MatrixFile } from "./matrix-file.ts";

/** "random": uniform over the stored neighbours, weights ignored; "first": the first stored. */
export type NeighborStrategy = "random" | "first";

export interface NeighborOptions {
  /** Default "random". */
  readonly strategy?: NeighborStrategy;
  /** Default 0. The original draws from an unseeded global generator. */
  readonly seed?: number;
}

export interface NeighborStats {
  readonly totalConnections: number;
  readonly minNeighborsPerCell: number;
  readonly maxNeighborsPerCell: number;
  readonly avgNeighborsPerCell: number;
  readonly cellsWithNoNeighbors: number;
}

interface OpenNeighborOptions extends NeighborOptions {
  readonly access: FileAccess;
  readonly budgetBytes: number;
  readonly onWarning?: ((message: string) => void) | undefined;
}

const STATS_ROWS = 65_536;

/**
 * The neighbours of every cell, as stored in a data set.
 *
 * Sampling is arithmetic: the neighbour of a draw depends on (seed, row, draw) and on nothing that
 * was drawn before. A cell without neighbours is its own neighbour.
 */
export class Neighbors {
  /** Cells with neighbours stored; those after it have none. */
  readonly nRows: number;
  readonly strategy: NeighborStrategy;
  readonly seed: number;
  readonly #matrix: MatrixFile;
  readonly #nObs: number;
  readonly #begins = new Float64Array(1);
  readonly #ends = new Float64Array(1);
  readonly #picked = new Float64Array(1);

  private constructor(matrix: MatrixFile, nObs: number, options: OpenNeighborOptions) {
    this.#matrix = matrix;
    this.#nObs = nObs;
    this.nRows = matrix.pointers.nRows;
    this.strategy = options.strategy ?? "random";
    this.seed = options.seed ?? 0;
  }

  /** Null when the archive has no neighbour files. */
  static open(archive: DatasetArchive, options: OpenNeighborOptions): Neighbors | null {
    const files = archive.neighbors;
    if (files === null) return null;
    const stored = files.indptr.length - 1;
    if (stored !== archive.nObs) {
      options.onWarning?.(
        `${files.indptr.path}: neighbours of ${stored} cells, the data set has ${archive.nObs} (the original does not join neighbours in concat)`,
      );
    }
    const matrix = MatrixFile.open(
      { data: files.values, indices: files.indices, indptr: files.indptr },
      {
        access: options.access,
        budgetBytes: options.budgetBytes,
        nRows: Math.max(0, Math.min(stored, archive.nObs)),
        what: "row of the neighbour matrix",
      },
    );
    return new Neighbors(matrix, archive.nObs, options);
  }

  /** Neighbours of a cell: row numbers, in the order stored. A new array. */
  indices(row: number): Uint32Array {
    const count = this.#locate(row);
    const begin = this.#begins[0] as number;
    const found = new Uint32Array(count);
    this.#matrix.indices.copy(begin, begin + count, found, 0);
    for (const neighbor of found) this.#assertNeighbor(row, neighbor);
    return found;
  }

  /** Weights of {@link indices}, in the same order. A new array. */
  weights(row: number): Float64Array {
    const count = this.#locate(row);
    const begin = this.#begins[0] as number;
    const found = new Float64Array(count);
    this.#matrix.data.copy(begin, begin + count, found, 0);
    return found;
  }

  /** How many neighbours a cell has. */
  count(row: number): number {
    return this.#locate(row);
  }

  /** One neighbour of a cell, or the cell itself when it has none. */
  sample(row: number, draw = 0): number {
    const count = this.#locate(row);
    if (count === 0) return row;
    const which = this.strategy === "first" ? 0 : Math.floor(uniform(this.seed, row, draw) * count);
    const at = (this.#begins[0] as number) + which;
    this.#matrix.indices.copy(at, at + 1, this.#picked, 0);
    const neighbor = this.#picked[0] as number;
    this.#assertNeighbor(row, neighbor);
    return neighbor;
  }

  /** One neighbour of each cell, into `target` when given. */
  sampleAll(
    rows: ArrayLike<number>,
    draw = 0,
    target: Float64Array = new Float64Array(rows.length),
  ): Float64Array {
    for (let i = 0; i < rows.length; i++) target[i] = this.sample(rows[i] as number, draw);
    return target;
  }

  /** Counts over all cells of the data set; reads every row pointer. */
  stats(): NeighborStats {
    const begins = new Float64Array(STATS_ROWS);
    const ends = new Float64Array(STATS_ROWS);
    let total = 0;
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    let none = this.#nObs - this.nRows;
    for (let row = 0; row < this.nRows; row += STATS_ROWS) {
      const count = Math.min(STATS_ROWS, this.nRows - row);
      total += this.#matrix.pointers.plan(row, count, begins, ends);
      for (let i = 0; i < count; i++) {
        const length = (ends[i] as number) - (begins[i] as number);
        least = Math.min(least, length);
        most = Math.max(most, length);
        if (length === 0) none++;
      }
    }
    return {
      totalConnections: total,
      minNeighborsPerCell: none > 0 ? 0 : least,
      maxNeighborsPerCell: most,
      avgNeighborsPerCell: this.#nObs === 0 ? 0 : total / this.#nObs,
      cellsWithNoNeighbors: none,
    };
  }

  close(): void {
    this.#matrix.close();
  }

  /** Sets `#begins[0]`; returns the number of neighbours. */
  #locate(row: number): number {
    if (row >= this.nRows && row < this.#nObs && row % 1 === 0) return 0;
    return this.#matrix.pointers.plan(row, 1, this.#begins, this.#ends);
  }

  #assertNeighbor(row: number, neighbor: number): void {
    if (neighbor < this.#nObs) return;
    throw new FormatError(
      "neighbor-out-of-range",
      `row ${row} has neighbour ${neighbor}, expected below ${this.#nObs}`,
      { path: this.#matrix.indices.source.path },
    );
  }
}

/** A number in [0, 1) that is a pure function of its arguments. */
function uniform(seed: number, row: number, draw: number): number {
  return (hashParts([seed, row, highBits(row), draw]) >>> 0) / 2 ** 32;
}
