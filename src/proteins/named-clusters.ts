import type { ClusterTable } from "./cluster-table.ts";
import type { ClusteredProteins } from "./protein-source.ts";

/** Residues by the name of the protein, as {@link ProteinDatabase} and {@link ProteinStore} give. */
export interface SequencesByName {
  /** Residues as ASCII bytes; the caller owns them. @throws NotFoundError no such protein */
  sequenceOf(id: string): Uint8Array;
}

/** The clusters of a table with the residues of a data base, as bionemo-esm2 joins them: by name. */
export class NamedClusters implements ClusteredProteins {
  readonly #proteins: SequencesByName;
  readonly #clusters: ClusterTable;

  /** Closes neither of them. */
  constructor(proteins: SequencesByName, clusters: ClusterTable) {
    this.#proteins = proteins;
    this.#clusters = clusters;
  }

  get length(): number {
    return this.#clusters.length;
  }

  size(cluster: number): number {
    return this.#clusters.size(cluster);
  }

  memberId(cluster: number, k: number): string {
    return this.#clusters.memberId(cluster, k);
  }

  memberSequence(cluster: number, k: number): Uint8Array {
    return this.#proteins.sequenceOf(this.#clusters.memberId(cluster, k));
  }
}
