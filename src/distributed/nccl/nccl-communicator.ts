import { type Communicator, RankError } from "../communicator.ts";
import { NCCL_ID_BYTES, type NcclDtype, type NcclHandle, type NcclLibrary } from "./nccl.ts";

/** An array on the device. */
export interface DeviceArray {
  readonly pointer: bigint;
  readonly length: number;
  readonly dtype: NcclDtype;
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

/**
 * The GPUs of a job, one for each rank. Calls only put work onto the stream: the results are there for
 * what comes after them on it. To be made, used and ended in the thread whose current device it is.
 */
export class NcclCommunicator {
  readonly rank: number;
  readonly worldSize: number;
  readonly #nccl: NcclLibrary;
  #handle: NcclHandle | null;

  /** Waits for all ranks. @throws NcclError */
  constructor(
    nccl: NcclLibrary,
    { id, rank, worldSize }: { readonly id: Uint8Array; rank: number; worldSize: number },
  ) {
    this.rank = rank;
    this.worldSize = worldSize;
    this.#nccl = nccl;
    this.#handle = nccl.start(id, rank, worldSize);
  }

  /** Adds up arrays in place, as one group. */
  allReduceSum(arrays: readonly DeviceArray[], stream: bigint): void {
    const handle = this.#open();
    this.#nccl.group(() => {
      for (const { pointer, length, dtype } of arrays) {
        this.#nccl.allReduceSum(handle, pointer, length, dtype, stream);
      }
    });
  }

  /** Gives all ranks the arrays of one. */
  broadcast(arrays: readonly DeviceArray[], root: number, stream: bigint): void {
    const handle = this.#open();
    this.#nccl.group(() => {
      for (const { pointer, length, dtype } of arrays) {
        this.#nccl.broadcast(handle, pointer, length, dtype, root, stream);
      }
    });
  }

  /** @throws NcclError when another GPU is gone or a call on the stream has failed */
  check(): void {
    this.#nccl.check(this.#open());
  }

  /** Ends what hangs: for when another rank is known to be lost. */
  abort(): void {
    const handle = this.#handle;
    this.#handle = null;
    if (handle !== null) this.#nccl.abort(handle);
  }

  close(): void {
    const handle = this.#handle;
    this.#handle = null;
    if (handle !== null) this.#nccl.finish(handle);
  }

  #open(): NcclHandle {
    if (this.#handle !== null) return this.#handle;
    throw new RankError("rank-failed", this.rank, `rank ${this.rank} has closed its NCCL`);
  }
}
