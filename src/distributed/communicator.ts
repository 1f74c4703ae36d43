import { type ErrorDetails, ScdlError } from "../../formats/common/errors.ts";

/**
 * The processes of a job as they talk to each other.
 *
 * Every rank calls the same operations in the same order, one after another; an operation ends when
 * this rank has its result. When a rank is lost, fails, or calls something else, the operations of
 * all others reject with a {@link RankError} that names it.
 */
export interface Communicator extends AsyncDisposable {
  /** "single", "tcp", "openmpi", "mpich", or "mpi" for the standard ABI of MPI 5. */
  readonly name: string;
  /** 0 to worldSize - 1. */
  readonly rank: number;
  readonly worldSize: number;
  /** Aborted, with the {@link RankError} as its reason, when the ranks cannot go on together. */
  readonly failure: AbortSignal;
  /**
   * Adds up the arrays of all ranks, in place. All ranks give arrays of the same lengths in the same
   * order and end with the same bits: every sum is made once, or in one order. The arrays must not
   * be touched meanwhile.
   */
  allReduceSum(arrays: readonly Float32Array[]): Promise<void>;
  /** Fills the bytes of every rank with those of `root`, in place; all give the same length. */
  broadcast(bytes: Uint8Array, root?: number): Promise<void>;
  /** A message of each rank, by rank; their lengths may differ. For small ones: it goes through rank 0. */
  allGather(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** Ends when every rank has called it. @param timeoutMs Default: that of the communicator; Infinity for none */
  barrier(timeoutMs?: number): Promise<void>;
  /** Leaves, and tells the others why: their operations reject with `rank-failed`. */
  abort(reason: string): void;
  /** Leaves. An operation that others still wait for rejects there. */
  close(): Promise<void>;
}

export type RankErrorCode =
  | "rank-lost"
  | "rank-failed"
  | "ranks-differ"
  | "rendezvous-failed"
  | "rank-timeout";

/**
 * Work that writes what others read: rank 0 does it first, the others when it has ended. Not limited in
 * time.
 */
export async function firstRankFirst<T>(
  communicator: Communicator | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (communicator === undefined || communicator.worldSize === 1) return work();
  if (communicator.rank !== 0) await communicator.barrier(Number.POSITIVE_INFINITY);
  const result = await work();
  if (communicator.rank === 0) await communicator.barrier(Number.POSITIVE_INFINITY);
  return result;
}

/**
 * The processes cannot go on together: one is gone (`rank-lost`), has failed (`rank-failed`), does
 * something else or has other weights (`ranks-differ`), is not heard of (`rank-timeout`), or they never
 * met (`rendezvous-failed`).
 */
export class RankError extends ScdlError {
  /** The rank that is to blame; null when that is not known. */
  readonly rank: number | null;

  constructor(code: RankErrorCode, rank: number | null, message: string, details?: ErrorDetails) {
    super(code, message, details);
    this.rank = rank;
  }
}
