/** One line of text about a step, for a terminal or a log. */
import type { Logger, Scalars } from "./logger.ts";

export interface ProgressLineOptions {
  /** The run's last step; gives the share done and the time left. */
  readonly maxSteps?: number;
  /** Milliseconds since some moment. */
  readonly now: () => number;
}

/**
 * `step 120/500  loss 2.3105  lr 1.0e-4  3,210 tokens/s  2 min left`: the first names it knows, in
 * this order, then the others. Time left is the mean pace since the first step that was logged.
 */
export class ProgressLineLogger implements Logger {
  readonly #write: (line: string) => void;
  readonly #options: ProgressLineOptions;
  #first: { readonly step: number; readonly at: number } | null = null;

  constructor(write: (line: string) => void, options: ProgressLineOptions) {
    this.#write = write;
    this.#options = options;
  }

  log(step: number, scalars: Scalars): void {
    const { maxSteps, now } = this.#options;
    const at = now();
    this.#first ??= { step, at };
    const parts = [`step ${step}${maxSteps === undefined ? "" : `/${maxSteps}`}`];
    for (const [name, shown] of SHOWN) {
      const value = scalars[name];
      if (value !== undefined) parts.push(shown(value));
    }
    for (const [name, value] of Object.entries(scalars)) {
      if (!SHOWN.has(name)) parts.push(`${name} ${significant(value)}`);
    }
    const done = step - this.#first.step;
    if (maxSteps !== undefined && done > 0 && step < maxSteps) {
      parts.push(`${duration(((at - this.#first.at) / done) * (maxSteps - step))} left`);
    }
    this.#write(parts.join("  "));
  }

  close(): void {}
}

const SHOWN: ReadonlyMap<string, (value: number) => string> = new Map([
  ["reduced_train_loss", (value: number) => `loss ${significant(value)}`],
  ["val_loss", (value: number) => `val loss ${significant(value)}`],
  ["lr", (value: number) => `lr ${value.toExponential(1)}`],
  ["tokens_per_second", (value: number) => `${Math.round(value).toLocaleString("en")} tokens/s`],
]);

function significant(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(5);
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
