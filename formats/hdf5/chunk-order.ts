import type { ChunkGrid } from "./chunk-list.ts";

/**
 * Turns the linear index of fixed and extensible arrays into a chunk's row-major number.
 *
 * Those arrays count chunks in a grid of the dataset's largest size, and with an unlimited axis
 * that axis varies slowest wherever it stands.
 */
export class ChunkOrder {
  /** Axes from slowest to fastest. */
  readonly #axes: readonly number[];
  /** Chunks along each of {@link #axes} in the largest grid; the slowest may be infinite. */
  readonly #counts: readonly number[];
  readonly #grid: ChunkGrid;
  /** Every chunk of the dataset has an index below this. */
  readonly end: number;

  /** @param maxShape largest size of each axis, Infinity when unlimited */
  constructor(grid: ChunkGrid, maxShape: readonly number[]) {
    const unlimited = maxShape.indexOf(Number.POSITIVE_INFINITY);
    const axes = grid.shape.map((_, axis) => axis);
    this.#axes = unlimited <= 0 ? axes : [unlimited, ...axes.filter((axis) => axis !== unlimited)];
    this.#counts = this.#axes.map((axis) =>
      Math.ceil((maxShape[axis] as number) / (grid.chunk[axis] as number)),
    );
    this.#grid = grid;
    const slowest = this.#axes[0];
    let end = slowest === undefined ? 1 : (grid.counts[slowest] as number);
    for (const count of this.#counts.slice(1)) end *= count;
    this.end = end;
  }

  /** -1 when the chunk lies outside the dataset's present size. */
  numberOf(index: number): number {
    const position = new Array<number>(this.#axes.length).fill(0);
    let rest = index;
    for (let k = this.#axes.length - 1; k >= 0; k--) {
      const count = k === 0 ? Number.POSITIVE_INFINITY : (this.#counts[k] as number);
      const at = k === 0 ? rest : rest % count;
      position[this.#axes[k] as number] = at;
      if (k > 0) rest = (rest - at) / count;
    }
    return scaledNumber(this.#grid, position);
  }
}

/** Row-major number of the chunk at `position` (in chunks); -1 outside the dataset. */
export function scaledNumber(grid: ChunkGrid, position: readonly number[]): number {
  let number = 0;
  for (const [axis, at] of position.entries()) {
    const count = grid.counts[axis] as number;
    if (at >= count) return -1;
    number = number * count + at;
  }
  return number;
}
