import type { Scalars } from "./loggers/logger.ts";
import type { StepTimes } from "./metrics/step-times.ts";

export interface FitOptions {
  /**
   * Ends the run after the steps in progress, with a checkpoint: nothing is thrown. Of a reason with a
   * property `signal`, the name of a signal of the system, all ranks are told; see {@link StoppedBy}.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Which rank's `FitOptions.signal` has ended a run; of several that did so at once the first. */
export interface StoppedBy {
  readonly rank: number;
  /** `signal` of the reason that it was aborted with, e.g. "SIGTERM"; null for one without. */
  readonly signal: NodeJS.Signals | null;
}

export interface FitResult {
  /** Updates done, those before a resume included. */
  readonly step: number;
  /** "stopped": by the signal; "early-stop": by `earlyStopping`. */
  readonly reason: "max-steps" | "stopped" | "early-stop";
  /** The same on every rank; null unless `reason` is "stopped". */
  readonly stoppedBy: StoppedBy | null;
  /** The newest values by name: `reduced_train_loss`, `val_loss`, ... */
  readonly metrics: Scalars;
  /** The newest checkpoint that is kept: of the last step, unless only the best are; null without one. */
  readonly checkpoint: string | null;
  readonly times: StepTimes;
}
