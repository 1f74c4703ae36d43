import { BucketReducer } from "../buckets.ts";
import { type Communicator, RankError } from "../communicator.ts";
import { lateError } from "../late-error.ts";
import { OPERATION_MS, withTimeout } from "../time-limit.ts";
import type { MpiLibrary } from "./mpi-library.ts";
import { MpiRoll } from "./mpi-roll.ts";
import { type StartWatch, watched } from "./start-watch.ts";

export interface MpiOptions {
  /** For one operation, the waiting for the slowest rank included. Default 600,000. */
  readonly timeoutMs?: number;
  /** Ends the process where MPI does not start in time. Default: no limit. */
  readonly starting?: StartWatch;
  /** Elements of a bucket; the same on every rank. */
  readonly bucketFloats?: number;
}

/** Messages up to this many bytes go in one round. */
const SHORT = 252;
/** Bytes of one broadcast: MPI counts in 32 bits. */
const MOST_BYTES = 1 << 26;
/** After an abort the process may still say what went wrong. */
const GRACE_MS = 5000;

/** MPI can be started once in a process. */
let isStarted = false;

/**
 * The ranks of an `mpirun`. What happens to a job with a dead rank is MPI's matter: mpirun ends the
 * others and says which it was.
 */
export class MpiCommunicator implements Communicator {
  readonly name: string;
  readonly rank: number;
  readonly worldSize: number;
  readonly #mpi: MpiLibrary;
  readonly #timeoutMs: number;
  readonly #reducer: BucketReducer;
  readonly #roll: MpiRoll | null;
  #last: Promise<unknown> = Promise.resolve();
  #operations = 0;
  /** Operations that were begun: one after another. */
  #begun = 0;
  readonly #failed = new AbortController();
  #state: "open" | "closed" | RankError = "open";

  /** @throws RankError when MPI was started in this process before */
  constructor(mpi: MpiLibrary, options: MpiOptions = {}) {
    if (isStarted) {
      throw new RankError("rendezvous-failed", null, "MPI was started in this process before", {
        suggestions: ["open one communicator and use it for everything"],
      });
    }
    isStarted = true;
    this.#mpi = mpi;
    this.name = mpi.name;
    const { starting } = options;
    const start = () => mpi.start();
    const place = starting === undefined ? start() : watched(starting, start);
    ({ rank: this.rank, worldSize: this.worldSize } = place);
    const notes = mpi.notes();
    const others = Array.from({ length: this.worldSize }, (_, rank) => rank);
    const peers = others.filter((rank) => rank !== this.rank);
    this.#roll = notes === null ? null : new MpiRoll(notes, peers, () => this.#begun);
    this.#timeoutMs = options.timeoutMs ?? OPERATION_MS;
    const { bucketFloats: floats } = options;
    this.#reducer = new BucketReducer(
      (bucket) => this.#run("all-reduce", () => mpi.allReduceSum(bucket)),
      floats === undefined ? {} : { floats },
    );
  }

  get failure(): AbortSignal {
    return this.#failed.signal;
  }

  allReduceSum(arrays: readonly Float32Array[]): Promise<void> {
    return this.#reducer.allReduceSum(arrays);
  }

  broadcast(bytes: Uint8Array, root = 0): Promise<void> {
    return this.#run("broadcast", async () => {
      for (let begin = 0; begin < bytes.length; begin += MOST_BYTES) {
        await this.#mpi.broadcast(bytes.subarray(begin, begin + MOST_BYTES), root);
      }
    });
  }

  allGather(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    return this.#run("all-gather", async () => {
      // Length and beginning of all; the rest, as long as the longest, where one is longer.
      const begin = new Uint8Array(4 + SHORT);
      new DataView(begin.buffer).setUint32(0, bytes.length, true);
      begin.set(bytes.subarray(0, SHORT), 4);
      const begins = await this.#gather(begin);
      const sizes = begins.map((one) => new DataView(one.buffer).getUint32(0, true));
      const most = Math.max(...sizes);
      const rest = new Uint8Array(Math.max(0, most - SHORT));
      rest.set(bytes.subarray(SHORT));
      const rests = most > SHORT ? await this.#gather(rest) : [];
      return sizes.map((size, rank) => {
        const message = new Uint8Array(size);
        message.set(begins[rank]?.subarray(4, 4 + Math.min(size, SHORT)) ?? []);
        if (size > SHORT) message.set(rests[rank]?.subarray(0, size - SHORT) ?? [], SHORT);
        return message;
      });
    });
  }

  barrier(timeoutMs?: number): Promise<void> {
    return this.#run("barrier", () => this.#mpi.barrier(), timeoutMs);
  }

  /** Ends all processes of the job when this one ends, or in five seconds. */
  abort(reason: string): void {
    if (this.#state !== "open") return;
    const message = `rank ${this.rank} has failed: ${reason}`;
    this.#state = new RankError("rank-failed", this.rank, message);
    this.#failed.abort(this.#state);
    process.once("exit", (code) => this.#mpi.abort(code || 1));
    setTimeout(() => this.#mpi.abort(1), GRACE_MS).unref();
  }

  async close(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "closed";
    await this.#last;
    this.#roll?.close();
    this.#mpi.finish();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #gather(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    const all = new Uint8Array(bytes.length * this.worldSize);
    await this.#mpi.allGather(bytes, all);
    return Array.from({ length: this.worldSize }, (_, rank) =>
      all.slice(rank * bytes.length, (rank + 1) * bytes.length),
    );
  }

  #run<T>(kind: string, work: () => Promise<T>, timeoutMs = this.#timeoutMs): Promise<T> {
    const number = this.#operations++;
    const result = this.#last.then(async () => {
      if (this.#state === "closed") {
        throw new RankError("rank-failed", this.rank, `rank ${this.rank} has closed it`);
      }
      if (this.#state !== "open") throw this.#state;
      this.#begun = number + 1;
      let isOver = false;
      const over = () => {
        isOver = true;
      };
      const working = work();
      working.then(over, over);
      return withTimeout(working, timeoutMs, async () => {
        const error = await this.#late({ kind, number }, timeoutMs);
        // The last rank may have come meanwhile.
        // A call of MPI cannot be taken back: the job ends with the process.
        if (!isOver) this.abort(error.message);
        return error;
      });
    });
    this.#last = result.catch(() => {});
    return result;
  }

  async #late(
    operation: { readonly kind: string; readonly number: number },
    timeoutMs: number,
  ): Promise<RankError> {
    const roll = (await this.#roll?.call()) ?? new Map<number, number | null>();
    return lateError(operation, timeoutMs, roll);
  }
}
