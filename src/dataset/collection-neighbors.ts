import { IncompatibleError } from "../../formats/common/errors.ts";
import type { NeighborStrategy, Neighbors } from "./neighbors.ts";

/** A data set of a collection: its neighbours, and the row of the collection it begins at. */
export interface MemberNeighbors {
  readonly firstRow: number;
  readonly neighbors: Neighbors;
}

/**
 * The neighbours of every cell of a collection, in rows of the collection. A neighbour lies in the
 * data set of its cell, and is the one that this data set draws for (seed, row in it, draw).
 */
export class CollectionNeighbors {
  readonly strategy: NeighborStrategy;
  readonly seed: number;
  readonly #memberAt: (row: number) => MemberNeighbors;

  /**
   * @param members at least one
   * @param memberAt finds that of a row of the collection; throws for a row that does not exist
   * @throws IncompatibleError when they were opened with other strategies or seeds.
   */
  constructor(members: readonly Neighbors[], memberAt: (row: number) => MemberNeighbors) {
    const [first] = members;
    this.strategy = first?.strategy ?? "random";
    this.seed = first?.seed ?? 0;
    this.#memberAt = memberAt;
    if (members.every(({ strategy, seed }) => strategy === this.strategy && seed === this.seed)) {
      return;
    }
    throw new IncompatibleError(
      "neighbor-options",
      "the data sets of the collection draw neighbours by different strategies or seeds",
      { suggestions: ["open all of them with the same neighbors: { strategy, seed }"] },
    );
  }

  /** Neighbours of a cell, in the order stored. A new array. */
  indices(row: number): Float64Array {
    const { firstRow, neighbors } = this.#memberAt(row);
    return Float64Array.from(neighbors.indices(row - firstRow), (found) => found + firstRow);
  }

  /** Weights of {@link indices}, in the same order. A new array. */
  weights(row: number): Float64Array {
    const { firstRow, neighbors } = this.#memberAt(row);
    return neighbors.weights(row - firstRow);
  }

  /** How many neighbours a cell has. */
  count(row: number): number {
    const { firstRow, neighbors } = this.#memberAt(row);
    return neighbors.count(row - firstRow);
  }

  /** One neighbour of a cell, or the cell itself when it has none. */
  sample(row: number, draw = 0): number {
    const { firstRow, neighbors } = this.#memberAt(row);
    return firstRow + neighbors.sample(row - firstRow, draw);
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
}
