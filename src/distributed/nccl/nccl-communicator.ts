import { type Communicator, RankError } from "../communicator.ts";
import { NCCL_ID_BYTES, type NcclDtype, NcclError, type NcclLibrary } from "./nccl.ts";
import type { NcclLink } from "./nccl-link.ts";

/** An array on the device. */
export interface DeviceArray {
  readonly pointer: number;
  readonly length: number;
  readonly dtype: NcclDtype;
}

/** An array that one rank has the values of. */
export interface OwnedArray extends DeviceArray {
  /** The rank. */
  readonly owner: number;
}

/**
 * The id under which GPUs find each other, made by rank 0 and told to all.
 * @throws RankError when rank 0 could not make it: on every rank, where NCCL's own call would wait
 */
export async function exchangeNcclId(nccl: NcclLibrary, ranks: Communicator): Promise<Uint8Array> {
  let mine = new Uint8Array(0);
  let failure: unknown = null;
  if (ranks.rank === 0) {
    try {
      mine = Uint8Array.from(nccl.uniqueId());
    } catch (error) {
      failure = error;
    }
  }
  const [id = mine] = await ranks.allGather(mine);
  if (failure !== null) throw failure;
  if (id.length === NCCL_ID_BYTES) return id;
  throw new RankError("rank-failed", 0, "rank 0 has no id of NCCL", {
    suggestions: ["look at the error of rank 0"],
  });
}

/** Asked again at once for this long, then once a millisecond. */
const SPIN_MS = 1;
/** For the other ranks to leave. */
const LEAVE_MS = 5000;

/**
 * The GPUs of a job, one for each rank. Calls only put work onto the stream: the results are there for
 * what comes after them on it. To be made, used and ended in the thread whose current device it is.
 */
export class NcclCommunicator {
  readonly #nccl: NcclLibrary;
  readonly #link: NcclLink;

  /** Waits for all ranks. @throws NcclError */
  constructor(
    nccl: NcclLibrary,
    link: NcclLink,
    { id, rank, worldSize }: { readonly id: Uint8Array; rank: number; worldSize: number },
  ) {
    this.#nccl = nccl;
    this.#link = link;
    link.use(() => link.set(nccl.start(id, rank, worldSize)));
    this.settle();
  }

  /** Adds up arrays in place, as one group. */
  allReduceSum(arrays: readonly DeviceArray[], stream: number): void {
    this.settle();
    this.#link.use((handle) => {
      this.#nccl.group(() => {
        for (const { pointer, length, dtype } of arrays) {
          this.#nccl.allReduceSum(handle, pointer, length, dtype, stream);
        }
      });
    });
  }

  /** Gives every rank the arrays of their owners, in place, as one group. */
  broadcast(arrays: readonly OwnedArray[], stream: number): void {
    this.settle();
    this.#link.use((handle) => {
      this.#nccl.group(() => {
        for (const { pointer, length, dtype, owner } of arrays) {
          this.#nccl.broadcast(handle, pointer, length, dtype, owner, stream);
        }
      });
    });
  }

  /** Waits until the last call is on the stream. @throws NcclError when another GPU is gone, or it was aborted */
  settle(timeoutMs = Number.POSITIVE_INFINITY): void {
    const since = performance.now();
    while (!this.#link.use((handle) => this.#nccl.isSettled(handle))) {
      const past = performance.now() - since;
      if (past > timeoutMs) throw new NcclError("nccl-failed", "NCCL: other ranks do not leave");
      if (past > SPIN_MS) this.#link.pause(1);
    }
  }

  /** Not after an abort. */
  close(): void {
    const link = this.#link;
    if (link.isStopped || link.handle === 0) return;
    link.use((handle) => this.#nccl.leave(handle));
    this.settle(LEAVE_MS);
    link.use((handle) => {
      link.set(0);
      this.#nccl.finish(handle);
    });
  }
}
