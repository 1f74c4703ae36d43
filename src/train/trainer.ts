import { IncompatibleError } from "../../formats/common/errors.ts";
import type { ResumableBatches } from "../data/data-module.ts";
import type { OptimizerSettings, ParameterState } from "../tensor/index.ts";
import { addSums, BatchRunner, type BatchSums } from "./batch-runner.ts";
import { openCheckpoint } from "./checkpoint.ts";
import type { Scalars } from "./loggers/logger.ts";
import { microBatches, rowsOf } from "./micro-batches.ts";
import { ModelPrograms } from "./model-programs.ts";
import { StepClock, type StepTimes } from "./step-times.ts";
import { checkTrainerOptions, type TrainerOptions } from "./trainer-options.ts";
import { TrainingError } from "./training-error.ts";
import { loadTensors, newWeights, savedTensors } from "./training-weights.ts";

export interface FitOptions {
  /** Ends the run after the step in progress, with a checkpoint: nothing is thrown. */
  readonly signal?: AbortSignal | undefined;
}

export interface FitResult {
  /** Updates done, those before a resume included. */
  readonly step: number;
  readonly reason: "max-steps" | "stopped";
  /** The newest values by name: `reduced_train_loss`, `val_loss`, ... */
  readonly metrics: Scalars;
  /** Weights after the last step; null when no checkpoints are kept. */
  readonly checkpoint: string | null;
  readonly times: StepTimes;
}

/**
 * Trains a model on the batches of a data module.
 *
 * ```ts
 * await using executor = await openExecutor("onnx");
 * await using data = new Esm2DataModule({ ..., maxSteps: 500, globalBatchSize: 8 });
 * await using trainer = new Trainer({
 *   model: new Esm2("8M"), data, executor,
 *   optimizer: { kind: "adamw" }, schedule: constantSchedule(4e-4), maxSteps: 500,
 *   checkpoints: new CheckpointFiles("results/checkpoints"),
 * });
 * await trainer.fit();
 * ```
 *
 * A run that was stopped and goes on has the weights, bit for bit, of one that never stopped: order,
 * masks and dropout are functions of seed, step and position, and a checkpoint has the rest.
 */
export class Trainer<B> implements AsyncDisposable {
  readonly #options: TrainerOptions<B>;
  readonly #optimizer: OptimizerSettings;
  readonly #clock = new StepClock();
  #state: ParameterState | null = null;
  #step = 0;
  #epoch = 0;
  #consumed = 0;
  #metrics: Record<string, number> = {};
  #checkpoint: { readonly path: string; readonly step: number } | null = null;
  /** Steps' milliseconds and tokens when the loggers were last told. */
  #logged = { ms: 0, tokens: 0, data: 0 };
  #tokens = 0;

  /** @throws InvalidArgumentError for options that do not exist, of another kind or out of range */
  constructor(options: TrainerOptions<B>) {
    checkTrainerOptions(options);
    this.#options = options;
    const kept = options.model.parameters.filter(({ decay }) => !decay).map(({ name }) => name);
    this.#optimizer = { noDecay: new Set(kept), ...options.optimizer };
  }

  /** Updates done. */
  get step(): number {
    return this.#step;
  }

  /**
   * Trains to `maxSteps`.
   *
   * @throws TrainingError when the loss or a gradient is not finite (checkpoints stay as they are) or
   *   the data ends; IncompatibleError for a checkpoint of another model, other data or another seed;
   *   FormatError for a damaged one; what the data module throws.
   */
  async fit({ signal }: FitOptions = {}): Promise<FitResult> {
    const { data, maxSteps, observer } = this.#options;
    const runner = await this.#prepare();
    observer?.started?.({ step: this.#step, checkpoint: this.#checkpoint?.path ?? null });
    this.#clock.charge("host");
    const isDone = () => this.#step >= maxSteps || (signal?.aborted ?? false);
    if (!isDone()) {
      for await (const batch of this.#batches(data.trainLoader())) {
        this.#clock.charge("data");
        await this.#train(runner, batch);
        await this.#afterStep(runner, signal);
        if (isDone()) break;
      }
    }
    await this.#save();
    return {
      step: this.#step,
      reason: this.#step >= maxSteps ? "max-steps" : "stopped",
      metrics: { ...this.#metrics },
      checkpoint: this.#checkpoint?.path ?? null,
      times: this.#clock.times,
    };
  }

  /** The weights as they are now, by name: copies. Empty before `fit()`. */
  async weights(): Promise<ReadonlyMap<string, Float32Array>> {
    return (await this.#state?.read("values")) ?? new Map();
  }

  /** Frees the weights; executor, data and loggers stay the caller's. */
  async close(): Promise<void> {
    const state = this.#state;
    this.#state = null;
    await state?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #prepare(): Promise<BatchRunner<B>> {
    const { model, data, executor, weights, seed = 42, resumeIfExists = true } = this.#options;
    const { microBatchSize, divide = microBatches<B>, checkpoints } = this.#options;
    await data.prepareData();
    await data.setup("fit");
    await this.close();
    const state = await newWeights(executor, model, {
      seed,
      ...(weights === undefined ? {} : { weights }),
    });
    this.#state = state;
    const from = resumeIfExists ? (checkpoints?.newest() ?? null) : null;
    if (from !== null) await this.#resume(from.path, state, seed);
    return new BatchRunner({
      model,
      executor,
      state,
      programs: new ModelPrograms(model),
      divide: (batch) => (microBatchSize === undefined ? [batch] : divide(batch, microBatchSize)),
      seed,
      clock: this.#clock,
    });
  }

  async #resume(path: string, state: ParameterState, seed: number): Promise<void> {
    using checkpoint = openCheckpoint(path);
    const { trainer } = checkpoint;
    const random = trainer.random as { readonly seed?: unknown } | null; // proof: only seed is read
    if (random?.seed !== seed) {
      throw new IncompatibleError(
        "other-seed",
        `${path}: the run has seed ${String(random?.seed)}, this one ${seed}`,
        { suggestions: ["use the same seed, or another folder"] },
      );
    }
    await loadTensors(state, this.#options.model, checkpoint, momentsOf(this.#optimizer));
    this.#options.data.loadState(trainer.data);
    this.#step = trainer.step;
    this.#epoch = trainer.epoch;
    this.#consumed = trainer.consumedSamples;
    this.#metrics = { ...trainer.metrics };
    this.#checkpoint = { path, step: trainer.step };
  }

  /** The training batches of as many epochs as are asked for. */
  async *#batches(loader: ResumableBatches<B>): AsyncGenerator<B, never, undefined> {
    for (;;) {
      let isEmpty = true;
      for await (const batch of loader) {
        isEmpty = false;
        yield batch;
      }
      // A resumed run may begin at the end of an epoch.
      if (isEmpty && this.#epoch > 0)
        throw this.#error("data-ended", "the training data has ended");
      this.#epoch++;
    }
  }

  async #train(runner: BatchRunner<B>, batch: B): Promise<void> {
    const { model, schedule, maxGradientNorm, observer } = this.#options;
    const { countRows = rowsOf } = this.#options;
    const sums = await runner.accumulate(batch, this.#step);
    const loss = lossOf(model.reduce(sums.sums, Math.max(sums.count, 1)));
    const next = this.#step + 1;
    if (!Number.isFinite(loss)) throw this.#notFinite(`the loss of step ${next} is ${loss}`);
    const learningRate = schedule(this.#step);
    const { gradientNorm, applied } = await (this.#state as ParameterState).update(
      this.#optimizer,
      { step: next, learningRate, ...(maxGradientNorm === undefined ? {} : { maxGradientNorm }) },
    );
    if (!applied) throw this.#notFinite(`the gradient norm of step ${next} is ${gradientNorm}`);
    this.#clock.charge("update");
    this.#step = next;
    this.#consumed += countRows(batch);
    this.#tokens += sums.tokens;
    this.#metrics = {
      ...this.#metrics,
      reduced_train_loss: loss,
      lr: learningRate,
      grad_norm: gradientNorm,
      epoch: this.#epoch,
      consumed_samples: this.#consumed,
    };
    const { step } = this;
    const consumedSamples = this.#consumed;
    const { tokens } = sums;
    observer?.trained?.({ step, batch, loss, learningRate, gradientNorm, consumedSamples, tokens });
    this.#log();
  }

  #log(): void {
    const { logger, logEveryNSteps = 1, maxSteps } = this.#options;
    if (this.#step % logEveryNSteps === 0 || this.#step === maxSteps) {
      const { steps: ms, times } = this.#clock;
      const took = ms - this.#logged.ms;
      const tokens = this.#tokens - this.#logged.tokens;
      const { reduced_train_loss, lr, grad_norm, epoch, consumed_samples } = this.#metrics;
      const scalars = { reduced_train_loss, lr, grad_norm, epoch, consumed_samples };
      logger?.log(this.#step, {
        ...(scalars as Scalars), // proof: #train has set them
        tokens_per_second: (1000 * tokens) / took,
        step_ms: took / logEveryNSteps,
        data_ms: (times.data - this.#logged.data) / logEveryNSteps,
        rss_mb: process.memoryUsage.rss() / 2 ** 20,
      });
      this.#logged = { ms, tokens: this.#tokens, data: times.data };
    }
    this.#clock.charge("log");
  }

  async #afterStep(runner: BatchRunner<B>, signal: AbortSignal | undefined): Promise<void> {
    const { maxSteps, valCheckInterval = maxSteps } = this.#options;
    const { saveEveryNSteps = valCheckInterval } = this.#options;
    const isLast = this.#step === maxSteps;
    if (this.#step % valCheckInterval === 0 || isLast) await this.#validate(runner, signal);
    if (this.#step % saveEveryNSteps === 0) await this.#save();
  }

  async #validate(runner: BatchRunner<B>, signal: AbortSignal | undefined): Promise<void> {
    const { model, data, limitValBatches = Number.POSITIVE_INFINITY } = this.#options;
    const { logger, observer } = this.#options;
    if (limitValBatches === 0 || !data.has("val")) return;
    const loader = data.valLoader();
    const begin = loader.state();
    const sums: Record<string, number> = {};
    let [count, batches, tokens] = [0, 0, 0];
    try {
      for await (const batch of loader) {
        if (signal?.aborted === true) return;
        const found: BatchSums = await runner.evaluate(batch);
        addSums(sums, found.sums);
        count += found.count;
        tokens += found.tokens;
        const { step } = this;
        observer?.validatedBatch?.({ step, batch, sums: found.sums, count: found.count });
        if (++batches >= limitValBatches) break;
      }
    } finally {
      // Every validation sees the same batches with the same masks.
      loader.loadState(begin);
      this.#clock.charge("validation");
    }
    if (tokens === 0) return;
    const metrics: Record<string, number> = {};
    for (const [name, value] of Object.entries(model.reduce(sums, Math.max(count, 1)))) {
      metrics[`val_${name}`] = value;
    }
    this.#metrics = { ...this.#metrics, ...metrics };
    logger?.log(this.#step, metrics);
    observer?.validated?.({ step: this.#step, metrics });
  }

  async #save(): Promise<void> {
    const { model, data, checkpoints, observer, config = null, executor } = this.#options;
    const { seed = 42 } = this.#options;
    const state = this.#state;
    if (checkpoints === undefined || state === null || this.#checkpoint?.step === this.#step)
      return;
    const tensors = await savedTensors(state, model, momentsOf(this.#optimizer));
    const step = this.#step;
    const kept = checkpoints.save({
      ...tensors,
      modelConfig: model.config,
      trainer: {
        step,
        epoch: this.#epoch,
        consumedSamples: this.#consumed,
        metrics: this.#metrics,
        data: data.state(),
        random: { seed },
        config,
        versions: { node: process.version, executor: executor.name },
      },
    });
    const path = kept.find((info) => info.step === step)?.path;
    if (path !== undefined) {
      this.#checkpoint = { path, step };
      observer?.saved?.({ step, path });
    }
    this.#clock.charge("checkpoint");
  }

  #notFinite(what: string): TrainingError {
    return this.#error("loss-not-finite", `${what}: training stopped after step ${this.#step}`, [
      "a smaller learning rate, a longer warm-up, or clipping (maxGradientNorm)",
    ]);
  }

  #error(
    code: "loss-not-finite" | "data-ended",
    message: string,
    suggestions: readonly string[] = [],
  ): TrainingError {
    const checkpoint = this.#checkpoint?.path ?? null;
    return new TrainingError(code, message, { step: this.#step, checkpoint, suggestions });
  }
}

function lossOf(metrics: Readonly<Record<string, number>>): number {
  return metrics["loss"] ?? Number.NaN;
}

/** Which moments an optimizer keeps. */
function momentsOf(optimizer: OptimizerSettings): readonly ("first" | "second")[] {
  if (optimizer.kind !== "sgd") return ["first", "second"];
  return (optimizer.momentum ?? 0) === 0 ? [] : ["first"];
}
