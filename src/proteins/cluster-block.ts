/** Texts one after another in UTF-8: text i is bytes [offsets[i], offsets[i + 1]). */
export interface TextColumn {
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array;
}

/** Consecutive clusters: the members of cluster i are [offsets[i], offsets[i + 1]) of `members`. */
export interface ClusterBlock {
  /** Names of the clusters, where the table has them. */
  readonly ids: TextColumn | null;
  readonly offsets: Int32Array;
  readonly members: TextColumn;
}

export function countOf(column: TextColumn): number {
  return column.offsets.length - 1;
}
