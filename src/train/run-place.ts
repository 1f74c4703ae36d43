import type { LossScaleState } from "../tensor/index.ts";
import type { TrainerState } from "./checkpoints/trainer-file.ts";
import type { EarlyStoppingState } from "./early-stopping.ts";
import type { Scalars } from "./loggers/logger.ts";
import type { ResumedRun } from "./runs/resumed-run.ts";

/** What is known of one update. */
export interface DoneStep {
  readonly loss: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
  readonly rows: number;
  /** Of its batch: the data may be further. */
  readonly epoch: number;
  /** Of float16: the factor on the loss, and whether the update was left out for it. */
  readonly lossScale?: number;
  readonly skipped?: boolean;
}

/** Where a run stands: its counts, and the newest value of every metric. */
export class RunPlace {
  step = 0;
  epoch = 0;
  consumedSamples = 0;
  metrics: Scalars = {};
  /** Steps whose update float16 left out, before this process took the run over. */
  skippedBefore = 0;
  /** The same until now. */
  #skipped = 0;
  /** Of float16, where this process took the run over: kept while it has another precision. */
  #scaleBefore: LossScaleState | null = null;
  /** The validation of this step was cut off. */
  validationDue = false;
  /** A checkpoint has all that there is. */
  isSaved = false;
  /** The step of the last whole validation. */
  #validated = 0;

  resume({ step, epoch, consumedSamples, progress }: ResumedRun): void {
    this.step = step;
    this.epoch = epoch;
    this.consumedSamples = consumedSamples;
    this.metrics = progress.metrics;
    this.validationDue = progress.validationDue;
    this.isSaved = true;
    this.#skipped = progress.lossScale?.skipped ?? 0;
    this.skippedBefore = this.#skipped;
    this.#scaleBefore = progress.lossScale ?? null;
  }

  trained({ loss, learningRate, gradientNorm, rows, epoch, ...scaled }: DoneStep): void {
    this.step++;
    if (scaled.skipped === true) this.#skipped++;
    this.isSaved = false;
    this.consumedSamples += rows;
    const { lossScale } = scaled;
    // Those of a run in float16 that goes on in another precision end.
    const { loss_scale: _scale, skipped_steps: _skipped, ...others } = this.metrics;
    this.metrics = {
      ...others,
      reduced_train_loss: loss,
      lr: learningRate,
      grad_norm: gradientNorm,
      epoch,
      consumed_samples: this.consumedSamples,
      ...(lossScale === undefined ? {} : { loss_scale: lossScale, skipped_steps: this.#skipped }),
    };
  }

  /** The validation loss of these very weights where it is not finite; else null. */
  get divergedLoss(): number | null {
    const loss = this.#validated === this.step ? this.metrics["val_loss"] : undefined;
    return loss === undefined || Number.isFinite(loss) ? null : loss;
  }

  validated(metrics: Scalars): void {
    this.#validated = this.step;
    this.metrics = { ...this.metrics, ...metrics };
  }

  /**
   * @param isStop a run that is not stopped would write no checkpoint here: it is not to be chosen
   * @param scale the factor on the loss, of float16; null keeps that of an earlier part of the run
   */
  state(
    isStop: boolean,
    earlyStopping: EarlyStoppingState | null,
    scale: LossScaleState | null = null,
  ): Pick<TrainerState, "step" | "epoch" | "consumedSamples" | "metrics" | "progress"> {
    const { step, epoch, consumedSamples, metrics, validationDue } = this;
    // The moments were made by so many updates less in any precision that the run goes on with.
    const last = scale ?? this.#scaleBefore;
    const lossScale = last === null ? {} : { lossScale: { ...last, skipped: this.#skipped } };
    const progress = { metrics, validationDue, earlyStopping, ...lossScale };
    return { step, epoch, consumedSamples, progress, metrics: isStop ? {} : this.#measured() };
  }

  /** Values of these very weights: not those of an earlier validation. */
  #measured(): Scalars {
    const isMeasured = (name: string) => this.#validated === this.step || !name.startsWith("val_");
    return Object.fromEntries(Object.entries(this.metrics).filter(([name]) => isMeasured(name)));
  }
}
