import type { Scalars } from "./loggers/logger.ts";
import type { StepTimes } from "./metrics/step-times.ts";

export interface FitOptions {
  /** Ends the run after the steps in progress, with a checkpoint: nothing is thrown. */
  readonly signal?: AbortSignal | undefined;
}

export interface FitResult {
  /** Updates done, those before a resume included. */
  readonly step: number;
  /** "stopped": by the signal; "early-stop": by `earlyStopping`. */
  readonly reason: "max-steps" | "stopped" | "early-stop";
  /** The newest values by name: `reduced_train_loss`, `val_loss`, ... */
  readonly metrics: Scalars;
  /** The newest checkpoint that is kept: of the last step, unless only the best are; null without one. */
  readonly checkpoint: string | null;
  readonly times: StepTimes;
}
