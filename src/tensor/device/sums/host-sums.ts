import type { Communicator } from "../../../distributed/communicator.ts";
import { unlessLost } from "../../../distributed/unless-lost.ts";
import type { RequestThread } from "../../request-thread.ts";
import type { Answers, Request } from "../messages.ts";
import type { GradientSums, SumReport } from "./gradient-sums.ts";
import { type GradientBucket, gradientBuckets, HEALTH_BUCKET, HOST_BUCKETS } from "./layout.ts";
import { SharedBuckets } from "./shared-buckets.ts";

type Thread = Pick<RequestThread<Request, Answers>, "send">;

/**
 * Sums of gradients that a thread has in the host's memory. The thread copies each bucket into memory
 * that this one adds up with the communicator while the thread goes on, and leaves the sums there as
 * the state's gradients. The communicator stays in the one thread that may call it.
 */
export class HostSums implements GradientSums {
  readonly #ranks: Communicator;
  readonly #thread: Thread;
  readonly #state: number;
  readonly #buckets: SharedBuckets;
  #step: Promise<void> = Promise.resolve();
  #armed: Promise<unknown> = Promise.resolve();

  private constructor(ranks: Communicator, thread: Thread, state: number, shared: SharedBuckets) {
    this.#ranks = ranks;
    this.#thread = thread;
    this.#state = state;
    this.#buckets = shared;
  }

  static async open(
    ranks: Communicator,
    thread: Thread,
    state: number,
    lengths: ReadonlyMap<string, number>,
  ): Promise<HostSums> {
    const buckets: readonly GradientBucket[] = gradientBuckets(lengths, HOST_BUCKETS);
    const shared = SharedBuckets.allocate([...buckets, HEALTH_BUCKET]);
    const how = { kind: "host", memory: shared.memory } as const;
    await thread.send<"share">({ kind: "share", state, buckets, how });
    return new HostSums(ranks, thread, state, shared);
  }

  begin(): void {
    this.#buckets.reset();
    this.#armed = this.#thread.send<"arm">({ kind: "arm", state: this.#state });
    this.#step = this.#addUp();
    // Failures show in finish().
    this.#armed.catch(() => {});
    this.#step.catch(() => {});
  }

  async finish(outputs: readonly string[] = []): Promise<SumReport> {
    const answer = this.#thread.send<"sum">({ kind: "sum", state: this.#state, outputs });
    // Without an answer the rest is never filled.
    answer.catch(() => this.#buckets.end());
    const [step, report] = await Promise.allSettled([this.#step, answer, this.#armed]);
    if (step.status === "rejected") throw step.reason;
    await this.#armed;
    return report.status === "fulfilled" ? report.value : answer;
  }

  unlessLost<T>(answer: Promise<T>): Promise<T> {
    return unlessLost(this.#ranks.failure, answer);
  }

  async close(): Promise<void> {
    this.#buckets.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #addUp(): Promise<void> {
    try {
      for (const [index, floats] of this.#buckets.memory.floats.entries()) {
        if (!(await this.#buckets.whenStarted(index))) return;
        await this.#ranks.allReduceSum([floats]);
        this.#buckets.done();
      }
    } catch (error) {
      this.#buckets.end();
      throw error;
    }
  }
}
