import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { ClusteredProteins } from "./protein-source.ts";

/** Clusters of several sources one after another; the sources stay the caller's to close. */
export class JoinedClusters implements ClusteredProteins {
  readonly length: number;
  readonly #parts: readonly ClusteredProteins[];
  /** Clusters before each part. */
  readonly #begins: readonly number[];

  constructor(parts: readonly ClusteredProteins[]) {
    this.#parts = parts;
    let length = 0;
    this.#begins = parts.map((part) => {
      const begin = length;
      length += part.length;
      return begin;
    });
    this.length = length;
  }

  size(cluster: number): number {
    const [part, row] = this.#find(cluster);
    return part.size(row);
  }

  memberId(cluster: number, k: number): string {
    const [part, row] = this.#find(cluster);
    return part.memberId(row, k);
  }

  memberSequence(cluster: number, k: number): Uint8Array {
    const [part, row] = this.#find(cluster);
    return part.memberSequence(row, k);
  }

  #find(cluster: number): [part: ClusteredProteins, row: number] {
    let [low, high] = [0, this.#begins.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#begins[middle] ?? 0) <= cluster) low = middle;
      else high = middle - 1;
    }
    const part = this.#parts[low];
    if (part !== undefined && cluster < this.length)
      return [part, cluster - (this.#begins[low] ?? 0)];
    const message = `there is no cluster ${cluster}, of ${this.length}`;
    throw new InvalidArgumentError("cluster", cluster, message);
  }
}
