import { FormatError, InvalidArgumentError } from "../../formats/common/errors.ts";
import { aNumber, aText, checkOptions, oneOf } from "../../formats/common/options.ts";
import type { Scalars } from "./loggers/logger.ts";
import { bestOf, type MonitorMode } from "./metrics/monitored-metric.ts";

/** As PyTorch Lightning's `EarlyStopping`: looked at after each validation. */
export interface EarlyStoppingOptions {
  /** Default "val_loss". */
  readonly monitor?: string;
  /** Validations in a row without an improvement after which training ends. Default 3. */
  readonly patience?: number;
  /** Less than this is no improvement. Default 0. */
  readonly minDelta?: number;
  /**
   * Whether a smaller or a larger value is better. Default "auto": of accuracies and correlations the
   * larger, of losses, perplexity and mse the smaller; of another metric it must be said.
   */
  readonly mode?: MonitorMode;
}

/** What of it a checkpoint keeps: JSON. */
export interface EarlyStoppingState {
  readonly monitor: string;
  /** Which value is the best; older checkpoints do not say. */
  readonly mode?: "min" | "max";
  /** null before the first validation. */
  readonly best: number | null;
  /** Validations since. */
  readonly wait: number;
  /** The value was NaN or infinite, which ends training at once. */
  readonly notFinite: boolean;
}

/** Ends a run whose metric does not get better any more. */
export class EarlyStopping {
  readonly monitor: string;
  readonly #patience: number;
  readonly #minDelta: number;
  readonly #mode: "min" | "max";
  #best: number | null = null;
  #wait = 0;
  #notFinite = false;

  /** @throws InvalidArgumentError */
  constructor(options: EarlyStoppingOptions = {}) {
    checkOptions<EarlyStoppingOptions>("earlyStopping", options, {
      monitor: aText,
      patience: aNumber,
      minDelta: aNumber,
      mode: oneOf("auto", "min", "max"),
    });
    const { monitor = "val_loss", patience = 3, minDelta = 0, mode = "auto" } = options;
    if (!Number.isSafeInteger(patience) || patience < 1) {
      const message = `patience is ${patience}, expected a number of validations of at least 1`;
      throw new InvalidArgumentError("patience", patience, message);
    }
    if (!(minDelta >= 0 && Number.isFinite(minDelta))) {
      const message = `minDelta is ${minDelta}, expected a number of at least 0`;
      throw new InvalidArgumentError("minDelta", minDelta, message);
    }
    this.monitor = monitor;
    this.#patience = patience;
    this.#minDelta = minDelta;
    this.#mode = bestOf(monitor, mode, "earlyStopping");
  }

  get isOver(): boolean {
    return this.#notFinite || this.#wait >= this.#patience;
  }

  /** @throws InvalidArgumentError for a metric of validations in a run without any */
  requireMetric(hasValidation: boolean): void {
    if (hasValidation || !this.monitor.startsWith("val_")) return;
    const message = `earlyStopping looks at ${this.monitor}, and nothing is validated`;
    throw new InvalidArgumentError("monitor", this.monitor, message, {
      suggestions: ["give validation data", "monitor reduced_train_loss"],
    });
  }

  /** Takes the metrics of a validation. @throws InvalidArgumentError when the monitored one is not there */
  see(metrics: Scalars): void {
    const value = metrics[this.monitor];
    if (value === undefined) {
      const message = `earlyStopping: there is no metric ${this.monitor}`;
      throw new InvalidArgumentError("monitor", this.monitor, message, {
        suggestions: [`there are ${Object.keys(metrics).join(", ")}`],
      });
    }
    const sign = this.#mode === "min" ? 1 : -1;
    if (!Number.isFinite(value)) this.#notFinite = true;
    else if (this.#best === null || sign * value + this.#minDelta < sign * this.#best) {
      this.#best = value;
      this.#wait = 0;
    } else this.#wait++;
  }

  state(): EarlyStoppingState {
    const { monitor } = this;
    const [mode, best, wait] = [this.#mode, this.#best, this.#wait];
    return { monitor, mode, best, wait, notFinite: this.#notFinite };
  }

  /** Goes on counting; that of another metric, or of its other end, is left alone. */
  loadState({ monitor, mode = this.#mode, best, wait, notFinite }: EarlyStoppingState): void {
    if (monitor !== this.monitor || mode !== this.#mode) return;
    this.#best = best;
    this.#wait = wait;
    this.#notFinite = notFinite;
  }
}

/** A state read back from a file. @throws FormatError */
export function readEarlyStoppingState(value: unknown, path: string): EarlyStoppingState {
  if (typeof value === "object" && value !== null) {
    const { monitor, mode, best, wait, notFinite } = value as Readonly<Record<string, unknown>>;
    const isState =
      typeof monitor === "string" &&
      (mode === undefined || mode === "min" || mode === "max") &&
      (best === null || typeof best === "number") &&
      typeof wait === "number" &&
      Number.isSafeInteger(wait) &&
      wait >= 0 &&
      typeof notFinite === "boolean";
    if (isState) return { monitor, best, wait, notFinite, ...(mode === undefined ? {} : { mode }) };
  }
  throw new FormatError("damaged-checkpoint", "the state of early stopping is damaged", { path });
}
