import type { Communicator } from "../../../distributed/communicator.ts";
import type { NcclLibrary } from "../../../distributed/nccl/nccl.ts";
import { exchangeNcclId } from "../../../distributed/nccl/nccl-communicator.ts";
import { NcclLink } from "../../../distributed/nccl/nccl-link.ts";
import { unlessLost } from "../../../distributed/unless-lost.ts";
import type { RequestThread } from "../../request-thread.ts";
import type { Answers, Request } from "../messages.ts";
import type { GradientSums, SumReport } from "./gradient-sums.ts";
import { DEVICE_BUCKETS, gradientBuckets } from "./layout.ts";

type Thread = Pick<RequestThread<Request, Answers>, "send">;

const LOOK_MS = 1000;
/** For the news of a lost rank, after NCCL has noticed something. */
const NEWS_MS = 3000;

/**
 * Sums of gradients that lie on GPUs, by NCCL in the thread that has the device. This thread, which
 * never waits for the device, is the one that hears of lost ranks and then ends what hangs.
 */
export class NcclSums implements GradientSums {
  readonly #ranks: Communicator;
  readonly #thread: Thread;
  readonly #state: number;
  readonly #nccl: NcclLibrary;
  readonly #link = new NcclLink();
  #watch: NodeJS.Timeout | undefined;
  #armed: Promise<unknown> = Promise.resolve();
  readonly #stop = (): void => {
    clearInterval(this.#watch);
    // Whether NCCL has ended or not, the ranks know what it was.
    this.#link.stop((handle) => this.#nccl.abort(handle)).catch(() => {});
  };

  private constructor(ranks: Communicator, thread: Thread, state: number, nccl: NcclLibrary) {
    this.#ranks = ranks;
    this.#thread = thread;
    this.#state = state;
    this.#nccl = nccl;
  }

  /** Every rank calls it. @throws NcclError, RankError */
  static async open(
    ranks: Communicator,
    thread: Thread,
    state: number,
    lengths: ReadonlyMap<string, number>,
    nccl: NcclLibrary,
  ): Promise<NcclSums> {
    const id = await exchangeNcclId(nccl, ranks);
    const sums = new NcclSums(ranks, thread, state, nccl);
    const { rank, worldSize } = ranks;
    const library = nccl.path;
    const how = { kind: "nccl", memory: sums.#link.memory, library, id, rank, worldSize } as const;
    const buckets = gradientBuckets(lengths, DEVICE_BUCKETS);
    ranks.failure.addEventListener("abort", sums.#stop, { once: true });
    if (ranks.failure.aborted) sums.#stop();
    await sums.unlessLost(thread.send<"share">({ kind: "share", state, buckets, how }));
    sums.#watch = setInterval(() => sums.#look(), LOOK_MS).unref();
    return sums;
  }

  begin(): void {
    this.#armed = this.#thread.send<"arm">({ kind: "arm", state: this.#state });
    // A failure shows in finish().
    this.#armed.catch(() => {});
  }

  async finish(outputs: readonly string[] = []): Promise<SumReport> {
    await this.#armed;
    const request = { kind: "sum", state: this.#state, outputs } as const;
    return this.unlessLost(this.#thread.send<"sum">(request));
  }

  async shareValues(names: readonly (readonly string[])[]): Promise<void> {
    const request = { kind: "share values", state: this.#state, names } as const;
    await this.unlessLost(this.#thread.send<"share values">(request));
  }

  async close(): Promise<void> {
    clearInterval(this.#watch);
    this.#ranks.failure.removeEventListener("abort", this.#stop);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The device may hang when a rank is lost: then the ranks' error is the answer, at once. */
  async unlessLost<T>(answer: Promise<T>): Promise<T> {
    const { failure } = this.#ranks;
    try {
      return await unlessLost(failure, answer);
    } catch (error) {
      const isOurs = error instanceof Error && "code" in error && error.code === "nccl-failed";
      // NCCL notices that a rank is gone, but does not know which.
      const news = new Promise((end) => setTimeout(end, NEWS_MS));
      if (isOurs && !failure.aborted) await unlessLost(failure, news);
      throw error;
    }
  }

  /** What goes wrong on the stream while the other thread waits for the device. */
  #look(): void {
    const { handle, isStopped } = this.#link;
    if (handle === 0 || isStopped) return;
    try {
      this.#nccl.isSettled(handle);
    } catch {
      // The other thread then meets the error itself.
      this.#stop();
    }
  }
}
