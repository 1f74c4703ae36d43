/** Proteins by row, in the order of the file they come from. */
export interface ProteinSource {
  readonly length: number;
  /** The name of a protein. @throws InvalidArgumentError for a row outside 0 to length - 1. */
  id(row: number): string;
  /** Its row, or -1. */
  indexOf(id: string): number;
  /** Residues as ASCII bytes, as stored; the caller owns them. @throws as {@link id} */
  sequence(row: number): Uint8Array;
}

/** Proteins in clusters: what training draws one member of, cluster by cluster. */
export interface ClusteredProteins {
  /** Clusters. */
  readonly length: number;
  /** Members of a cluster. */
  size(cluster: number): number;
  /** The name of member k, 0 to size - 1. */
  memberId(cluster: number, k: number): string;
  /** Its residues, as {@link ProteinSource.sequence}. */
  memberSequence(cluster: number, k: number): Uint8Array;
}
