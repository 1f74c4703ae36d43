import type { Socket } from "node:net";
import { BucketReducer } from "../buckets.ts";
import { type Communicator, RankError } from "../communicator.ts";
import { lateError } from "../late-error.ts";
import { LONGEST_MS, OPERATION_MS } from "../time-limit.ts";
import { connectRing } from "./connect-ring.ts";
import { LifeLines } from "./life-lines.ts";
import type { MeetingPoint } from "./meeting.ts";
import { meet } from "./rendezvous.ts";
import { type Ring, ringBroadcast, ringSum } from "./ring.ts";
import { header, type Operation, receiveHeader, Star } from "./star.ts";
import { Wire } from "./wire.ts";

export interface TcpOptions {
  readonly rank: number;
  readonly worldSize: number;
  /** For all ranks to meet. Default `timeoutMs`. */
  readonly meetMs?: number;
  /** For one operation, the waiting for the slowest rank included. Default 600,000. */
  readonly timeoutMs?: number;
  /** Elements of a bucket; the same on every rank. */
  readonly bucketFloats?: number;
  /** Is told which ranks have not come: after `noticeMs`, and when others have come since. */
  readonly onWaiting?: (ranks: readonly number[]) => void;
  /** Default 5,000. */
  readonly noticeMs?: number;
}

/** Beyond its own limit another rank waits for what rank 0 finds out. */
const VERDICT_MS = 2000;
/** Where news of a failure may still be on its way when a connection has closed. */
const NEWS_MS = 2000;

/**
 * Ranks connected by TCP: a star around rank 0 for small messages, a ring for sums. For small clusters
 * and computers without MPI; the connections are neither encrypted nor authenticated.
 */
export class TcpCommunicator implements Communicator {
  readonly name = "tcp";
  readonly rank: number;
  readonly worldSize: number;
  readonly #wires: ReadonlyMap<number, Wire>;
  readonly #star: Star;
  readonly #life: LifeLines;
  readonly #timeoutMs: number;
  readonly #reducer: BucketReducer;
  #ring: Ring | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #operations = 0;
  /** Operations that were begun: one after another. */
  #begun = 0;
  readonly #failed = new AbortController();
  #failure: RankError | null = null;
  #isClosed = false;

  private constructor(
    options: TcpOptions,
    wires: ReadonlyMap<number, Wire>,
    life: ReadonlyMap<number, Socket>,
  ) {
    this.rank = options.rank;
    this.worldSize = options.worldSize;
    this.#wires = wires;
    this.#timeoutMs = options.timeoutMs ?? OPERATION_MS;
    this.#star = new Star(options.rank, options.worldSize, wires);
    this.#life = new LifeLines(
      life,
      (error) => this.#fail(error),
      () => this.#begun,
    );
    const { bucketFloats: floats } = options;
    this.#reducer = new BucketReducer(
      (bucket) => this.#overRing("all-reduce", bucket.length, (ring) => ringSum(ring, bucket)),
      floats === undefined ? {} : { floats },
    );
  }

  /** Waits for all ranks. @throws RankError `rendezvous-failed` */
  static async join(point: MeetingPoint, options: TcpOptions): Promise<TcpCommunicator> {
    const { rank, worldSize, onWaiting, noticeMs } = options;
    const { meetMs: timeoutMs = options.timeoutMs ?? OPERATION_MS } = options;
    const meeting = { rank, worldSize, timeoutMs, onWaiting, noticeMs };
    const { talk, life } = await meet(point, meeting);
    const wires = new Map([...talk].map(([peer, socket]) => [peer, new Wire(socket, peer)]));
    const self = new TcpCommunicator(options, wires, life);
    const address = wires.get(rank === 0 ? worldSize - 1 : 0)?.localAddress ?? point.host;
    try {
      const connect = async (operation: Operation) => {
        const ring = { address, job: point.job, timeoutMs };
        self.#ring = await connectRing(self.#star, operation, ring);
      };
      await self.#run("all-gather", connect, timeoutMs);
    } catch (error) {
      self.abort(error instanceof Error ? error.message : String(error));
      throw error;
    }
    return self;
  }

  get failure(): AbortSignal {
    return this.#failed.signal;
  }

  allReduceSum(arrays: readonly Float32Array[]): Promise<void> {
    return this.#reducer.allReduceSum(arrays);
  }

  broadcast(bytes: Uint8Array, root = 0): Promise<void> {
    return this.#overRing("broadcast", bytes.length, (ring) => ringBroadcast(ring, bytes, root));
  }

  allGather(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    return this.#run("all-gather", (operation) => this.#star.gather(operation, bytes));
  }

  async barrier(timeoutMs?: number): Promise<void> {
    const work = (operation: Operation) => this.#star.gather(operation, new Uint8Array(0));
    await this.#run("barrier", work, timeoutMs);
  }

  abort(reason: string): void {
    const message = `rank ${this.rank} has failed: ${reason}`;
    this.#fail(new RankError("rank-failed", this.rank, message));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#life.leave();
    for (const wire of this.#all) wire.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #all(): readonly Wire[] {
    const ring = this.#ring === null ? [] : [this.#ring.next, this.#ring.previous];
    return [...this.#wires.values(), ...ring];
  }

  /** Around the ring after each rank has seen that its neighbour does the same. */
  #overRing(
    kind: Operation["kind"],
    length: number,
    work: (ring: Ring) => Promise<void>,
  ): Promise<void> {
    return this.#run(kind, async (operation) => {
      const ring = this.#ring;
      if (ring === null) throw new Error("the ring is not connected");
      const [, theirs] = await Promise.all([
        ring.next.send(header(operation, length)),
        receiveHeader(ring.previous, operation),
      ]);
      if (theirs !== length) {
        const other = ring.previous.peer;
        const message = `rank ${other} gives ${theirs} values, rank ${this.rank} ${length}`;
        throw new RankError("ranks-differ", other, message);
      }
      await work(ring);
    });
  }

  /** One operation after another; what goes wrong in one ends the communicator on all ranks. */
  #run<T>(
    kind: Operation["kind"],
    work: (operation: Operation) => Promise<T>,
    timeoutMs = this.#timeoutMs,
  ): Promise<T> {
    const operation = { kind, number: this.#operations++ };
    const result = this.#last.then(async () => {
      if (this.#failure !== null) throw this.#failure;
      if (this.#isClosed) {
        throw new RankError("rank-failed", this.rank, `rank ${this.rank} has closed it`);
      }
      this.#begun = operation.number + 1;
      // Rank 0 can ask all.
      const limitMs = timeoutMs + (this.rank === 0 ? 0 : VERDICT_MS);
      let isOver = false;
      const late = async () => {
        const roll = await this.#life.callRoll();
        if (!isOver) this.#fail(lateError(operation, timeoutMs, roll));
      };
      const timer = limitMs > LONGEST_MS ? undefined : setTimeout(late, limitMs);
      try {
        return await work(operation);
      } catch (error) {
        throw await this.#verdict(error);
      } finally {
        isOver = true;
        clearTimeout(timer);
      }
    });
    this.#last = result.catch(() => {});
    return result;
  }

  /** What an operation failed of: a closed connection is rarely the first thing that went wrong. */
  async #verdict(error: unknown): Promise<unknown> {
    if (!(error instanceof RankError)) return this.#failure ?? error;
    const isNews = error.code === "rank-lost";
    for (let ms = 0; isNews && this.#failure === null && ms < NEWS_MS; ms += 20) {
      if (error.rank !== null && this.#life.left.has(error.rank)) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (this.#failure === null) this.#fail(this.#gone(error));
    return this.#failure ?? error;
  }

  #gone(error: RankError): RankError {
    if (error.rank === null || !this.#life.left.has(error.rank)) return error;
    return new RankError("rank-lost", error.rank, `rank ${error.rank} has left before the others`, {
      suggestions: ["close communicators after the last operation of all ranks"],
    });
  }

  #fail(error: RankError): void {
    if (this.#failure !== null || this.#isClosed) return;
    this.#failure = error;
    this.#life.fail(error);
    for (const wire of this.#all) wire.destroy(error);
    this.#failed.abort(error);
  }
}
