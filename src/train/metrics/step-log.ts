import type { Scalars } from "../loggers/logger.ts";
import type { StepClock } from "./step-times.ts";

const NAMES = [
  ...["reduced_train_loss", "lr", "grad_norm", "loss_scale", "skipped_steps"],
  ...["epoch", "consumed_samples"],
] as const;

/** The line of a training step for loggers: the newest metrics, and means since the line before. */
export class StepLog {
  readonly #clock: StepClock;
  #steps = 0;
  #tokens = 0;
  #paddedTokens = 0;
  #before = { ms: 0, data: 0 };

  constructor(clock: StepClock) {
    this.#clock = clock;
  }

  /** Counts one step. */
  count(batch: { readonly tokens: number; readonly paddedTokens: number }): void {
    this.#steps++;
    this.#tokens += batch.tokens;
    this.#paddedTokens += batch.paddedTokens;
  }

  line(metrics: Scalars): Scalars {
    const { steps: ms, times } = this.#clock;
    const took = ms - this.#before.ms;
    const shown = NAMES.flatMap((name) => {
      const value = metrics[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    const line = {
      ...Object.fromEntries(shown),
      tokens_per_second: (1000 * this.#tokens) / took,
      padded_tokens_per_second: (1000 * this.#paddedTokens) / took,
      step_ms: took / this.#steps,
      data_ms: (times.data - this.#before.data) / this.#steps,
      rss_mb: process.memoryUsage.rss() / 2 ** 20,
      // in kilobytes on every system
      peak_rss_mb: process.resourceUsage().maxRSS / 2 ** 10,
    };
    this.#steps = 0;
    this.#tokens = 0;
    this.#paddedTokens = 0;
    this.#before = { ms, data: times.data };
    return line;
  }
}
