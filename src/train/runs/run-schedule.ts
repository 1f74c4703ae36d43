import type { RunConfig } from "../config/sections.ts";
import {
  constantSchedule,
  cosineAnnealing,
  type Schedule,
  warmupAnnealDecayHold,
} from "../schedule.ts";

/** The learning rate and Adam, as a configuration's `optim_config` has them. */
export interface RunScheduleOptions {
  /** Default: "warmup_anneal" for ESM-2, "cosine" for Geneformer. */
  readonly lrScheduler?: "warmup_anneal" | "cosine" | "constant";
  /** Updates after which the learning rate would be at its end. Default: `numSteps`. */
  readonly schedulerNumSteps?: number;
  /** Not of a cosine. Default 2000, but at most a tenth of the schedule. */
  readonly warmupSteps?: number;
  /** Where "warmup_anneal" begins (default 0), and a cosine ends (default `lr / 100`). */
  readonly minLr?: number;
  /** Share of the updates that warm up, of a cosine. Default 0.01. */
  readonly cosineRampupFrac?: number;
  /** Share of the updates, the last ones, at the least learning rate, of a cosine. Default 0.05. */
  readonly cosineHoldFrac?: number;
  /** Default 0.9. */
  readonly adamBeta1?: number;
  /** Default: 0.98 for ESM-2, 0.999 for Geneformer. */
  readonly adamBeta2?: number;
  /** Default 1e-8. */
  readonly adamEps?: number;
  /**
   * Ends here and not after `numSteps`, with the schedule and the data of the whole: without it, the
   * run can be gone on with.
   */
  readonly earlyStopOnStep?: number;
}

/** The same for fine-tuning: the rate is constant where nothing is said, and nothing warms up. */
export interface FineTuneScheduleOptions
  extends Omit<RunScheduleOptions, "lrScheduler" | "warmupSteps" | "adamBeta2"> {
  /** Default 0.98, of Geneformer, too. */
  readonly adamBeta2?: number;
  /** Default "constant". */
  readonly lrScheduler?: NonNullable<RunScheduleOptions["lrScheduler"]>;
  /** Not of a cosine. Default 0. */
  readonly warmupSteps?: number;
}

/** How many updates a run makes, of how much, and how: what `TrainingRun.fit()` has of a configuration. */
export function stepsOf(config: RunConfig): {
  readonly schedule: Schedule;
  readonly maxSteps: number;
  readonly microBatchSize: number;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
} {
  const { optim_config: optim, training_config: training, data_config } = config;
  return {
    schedule: scheduleOf(config),
    maxSteps: training.early_stop_on_step ?? training.max_steps,
    microBatchSize: data_config.micro_batch_size,
    betas: [optim.adam_beta1, optim.adam_beta2],
    epsilon: optim.adam_eps,
  };
}

/** The learning rates of a run: BioNeMo's two schedules, or a constant after a warm-up. */
export function scheduleOf({ optim_config, training_config }: RunConfig): Schedule {
  const { lr, warmup_steps, min_lr, lr_scheduler: kind } = optim_config;
  const maxSteps = optim_config.max_steps ?? training_config.max_steps;
  const warmupSteps = warmup_steps ?? 0;
  if (kind === "constant") return constantSchedule(lr, warmupSteps);
  if (kind === "warmup_anneal") {
    return warmupAnnealDecayHold(lr, { warmupSteps, maxSteps, minLr: min_lr ?? 0 });
  }
  const stepsOf = (share: number) => Math.ceil(training_config.max_steps * share);
  return cosineAnnealing(lr, {
    maxSteps,
    warmupSteps: stepsOf(optim_config.cosine_rampup_frac),
    constantSteps: stepsOf(optim_config.cosine_hold_frac),
    minLr: min_lr ?? lr / 100,
  });
}
