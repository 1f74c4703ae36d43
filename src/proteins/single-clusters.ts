import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { ClusteredProteins, ProteinSource } from "./protein-source.ts";

/** Each protein of a source as a cluster of its own. */
export class SingleClusters implements ClusteredProteins {
  readonly length: number;
  readonly #proteins: ProteinSource;

  constructor(proteins: ProteinSource) {
    this.#proteins = proteins;
    this.length = proteins.length;
  }

  size(cluster: number): number {
    this.#rowOf(cluster, 0);
    return 1;
  }

  memberId(cluster: number, k: number): string {
    return this.#proteins.id(this.#rowOf(cluster, k));
  }

  memberSequence(cluster: number, k: number): Uint8Array {
    return this.#proteins.sequence(this.#rowOf(cluster, k));
  }

  #rowOf(cluster: number, k: number): number {
    const isThere = Number.isInteger(cluster) && cluster >= 0 && cluster < this.length;
    if (isThere && k === 0) return cluster;
    throw new InvalidArgumentError(
      "cluster",
      cluster,
      `there is no member ${k} of cluster ${cluster}, of ${this.length} clusters of one protein`,
    );
  }
}
