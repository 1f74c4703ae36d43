/** A cluster as its table has it. */
export interface NamedCluster {
  /** Its name, in UniRef that of its representative; null when the table has none. */
  readonly id: string | null;
  readonly members: readonly string[];
}

/** Members that are handed on at a time, about. */
export const MEMBERS_PER_BLOCK = 1 << 15;
