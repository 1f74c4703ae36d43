/** How long a thread may compute for one request, on machines that are busy with something else too. */

/** A thread that waits, for a disk or for its turn on a busy machine, is given this many times the limit. */
const WAITING_FACTOR = 15;

export interface TimeLimitOptions {
  /** Processor time of the thread so far. */
  readonly cpuMs: () => Promise<number>;
  readonly limitMs: number;
  /** Called once: the thread computed for `limitMs`, or waited for so long that it is given up. */
  readonly onOver: (why: "computing" | "waiting", elapsedMs: number) => void;
}

/**
 * Counts the time a thread computes, not the time that passes: a thread that gets no processor, on a
 * machine with many other processes, does not hang. The first quarter counts as it passes, so that a
 * request that ends within it costs no question.
 */
export class TimeLimit implements Disposable {
  readonly #options: TimeLimitOptions;
  readonly #beganMs = performance.now();
  /** Processor time and clock at the first look. */
  #base: { readonly cpuMs: number; readonly atMs: number } | null = null;
  #timer: NodeJS.Timeout;
  #isOver = false;

  constructor(options: TimeLimitOptions) {
    this.#options = options;
    this.#timer = this.#lookIn(options.limitMs / 4);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #lookIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => void this.#look(), Math.max(10, ms));
  }

  async #look(): Promise<void> {
    const { limitMs } = this.#options;
    const elapsedMs = performance.now() - this.#beganMs;
    if (elapsedMs >= limitMs * WAITING_FACTOR) {
      this.#end("waiting", elapsedMs);
      return;
    }
    // A thread that does not answer is looked at again.
    this.#timer = this.#lookIn(limitMs);
    const cpuMs = await this.#options.cpuMs();
    if (this.#isOver) return;
    const atMs = performance.now();
    this.#base ??= { cpuMs, atMs };
    const used = Math.min(cpuMs - this.#base.cpuMs, atMs - this.#base.atMs);
    const left = (limitMs * 3) / 4 - used;
    clearTimeout(this.#timer);
    if (left <= 0) this.#end("computing", atMs - this.#beganMs);
    else this.#timer = this.#lookIn(left);
  }

  #end(why: "computing" | "waiting", elapsedMs: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onOver(why, elapsedMs);
  }
}
