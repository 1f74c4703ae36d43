import { type ScdlError, StorageError } from "../../formats/common/errors.ts";
import { RankError } from "../distributed/communicator.ts";
import { processesHere } from "../distributed/environment.ts";
import type { OptimizerSettings, ParameterState } from "../tensor/index.ts";
import { outOfMemoryOf } from "../tensor/out-of-memory.ts";
import { BatchRunner } from "./batch-runner.ts";
import { RunCheckpoints } from "./checkpoints/run-checkpoints.ts";
import { newWeights } from "./checkpoints/training-weights.ts";
import { EarlyStopping } from "./early-stopping.ts";
import { epochsOf } from "./epochs.ts";
import type { FitOptions, FitResult } from "./fit-result.ts";
import { requireKnown, requireMetricOf } from "./metrics/monitored-metric.ts";
import { StepLog } from "./metrics/step-log.ts";
import { StepClock } from "./metrics/step-times.ts";
import { microBatches, rowsOf } from "./micro-batches.ts";
import { type Milestones, milestonesOf } from "./milestones.ts";
import { ModelPrograms } from "./model-programs.ts";
import { agreedOptions } from "./ranks/agreed-options.ts";
import { OptimizerShards } from "./ranks/optimizer-shards.ts";
import { Replicas } from "./ranks/replicas.ts";
import { RunPlace } from "./run-place.ts";
import { placeOf, requireModelMemory } from "./runs/model-memory.ts";
import { StepsInFlight } from "./steps-in-flight.ts";
import { checkTrainerOptions, type TrainerOptions } from "./trainer-options.ts";
import {
  dataEnded,
  lossNotFinite,
  memoryMissing,
  notStored,
  ranksApart,
  type StoppedRun,
  trainerClosed,
} from "./training-error.ts";
import { validate } from "./validation.ts";

const CHOICE = "to choose checkpoints by";

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
  readonly #earlyStopping: EarlyStopping | null;
  readonly #milestones: Milestones;
  readonly #clock = new StepClock();
  readonly #log = new StepLog(this.#clock);
  #state: ParameterState | null = null;
  readonly #checkpoints: RunCheckpoints<B>;
  readonly #place = new RunPlace();
  readonly #replicas: Replicas;
  readonly #shards: OptimizerShards | null;
  /** Of `fit()`: what it rejects with once the trainer was closed under it. */
  #closed: ScdlError | null = null;

  /** @throws InvalidArgumentError for options that do not exist, of another kind or out of range */
  constructor(options: TrainerOptions<B>) {
    checkTrainerOptions(options);
    const { checkpoints, model, earlyStopping, executor } = options;
    this.#earlyStopping = earlyStopping === undefined ? null : new EarlyStopping(earlyStopping);
    if (model.metrics !== undefined) {
      const ending = this.#earlyStopping?.monitor;
      const require = (monitor: string, purpose: string) =>
        requireMetricOf(model.metrics ?? [], monitor, purpose, executor.settings?.precision);
      if (checkpoints !== undefined) require(checkpoints.monitor, CHOICE);
      if (ending !== undefined) require(ending, "to end early by");
    }
    this.#replicas = new Replicas(options.communicator);
    const { logger: _logger, ...silent } = options;
    this.#options = this.#replicas.isFirst ? options : silent;
    const { communicator, shardOptimizer = false } = options;
    const isShared = shardOptimizer && communicator !== undefined && communicator.worldSize > 1;
    this.#shards = isShared ? new OptimizerShards(communicator, options.model.parameters) : null;
    this.#milestones = milestonesOf(options);
    const kept = options.model.parameters.filter(({ decay }) => !decay).map(({ name }) => name);
    this.#optimizer = { noDecay: new Set(kept), ...options.optimizer };
    this.#checkpoints = new RunCheckpoints(this.#options, {
      optimizer: this.#optimizer,
      place: this.#place,
      milestones: this.#milestones,
      earlyStopping: this.#earlyStopping,
      replicas: this.#replicas,
      shards: this.#shards,
    });
  }

  /** Updates done. */
  get step(): number {
    return this.#place.step;
  }

  /**
   * Trains to `maxSteps`.
   *
   * @throws TrainingError when a loss or a gradient is not finite (checkpoints stay as they are),
   *   the data ends or memory does not suffice; IncompatibleError for a checkpoint of another model, other data or another seed;
   *   FormatError for a damaged one; StorageError when a checkpoint cannot be written; RankError when
   *   another rank is lost or has failed; InvalidArgumentError where the schedule gives no rate; ScdlError "closed" when the trainer was closed meanwhile;
   *   what the data module throws.
   */
  async fit({ signal }: FitOptions = {}): Promise<FitResult> {
    this.#closed = null;
    try {
      return await this.#fit(signal);
    } catch (caught) {
      // What went wrong afterwards did so because the weights are gone.
      const thrown = this.#closed ?? caught;
      if (thrown instanceof RankError) throw ranksApart(thrown, this.#stopped);
      if (thrown instanceof StorageError) {
        this.#replicas.abort(thrown);
        throw await notStored(thrown, this.#stopped);
      }
      const missing = outOfMemoryOf(thrown);
      const error = missing === null ? thrown : await memoryMissing(missing, this.#stopped);
      this.#replicas.abort(error);
      throw error;
    }
  }

  /** The weights as they are now, by name: copies. Empty before `fit()`. */
  async weights(): Promise<ReadonlyMap<string, Float32Array>> {
    return (await this.#state?.read("values")) ?? new Map();
  }

  /**
   * Frees the weights; executor, data and loggers stay the caller's. A `fit()` that is not through
   * rejects.
   */
  async close(): Promise<void> {
    this.#closed = trainerClosed();
    await this.#free();
  }

  async #free(): Promise<void> {
    const state = this.#state;
    this.#state = null;
    if (state !== null) await this.#replicas.ended(state.close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #fit(signal: AbortSignal | undefined): Promise<FitResult> {
    await this.#replicas.begin(signal, agreedOptions(this.#options));
    const runner = await this.#prepare();
    try {
      this.#clock.charge("setup");
      if (this.#place.validationDue && !this.#replicas.isStopped) await this.#afterStep(runner);
      if (!this.#isOver) await this.#steps(runner);
      this.#requireOpen();
      await this.#save();
      await this.#checkpoints.saver?.finish();
    } finally {
      await this.#checkpoints.saver?.settle();
      this.#clock.charge("checkpoint");
    }
    const reason = this.#reason();
    return {
      step: this.#place.step,
      reason,
      stoppedBy: reason === "stopped" ? this.#replicas.stoppedBy : null,
      metrics: { ...this.#place.metrics },
      // No rank leaves before the last checkpoint is whole.
      checkpoint: await this.#replicas.fromFirst(
        async () => this.#checkpoints.saver?.newest ?? null,
      ),
      times: this.#clock.times,
    };
  }

  async #prepare(): Promise<BatchRunner<B>> {
    const { model, data, executor, weights, seed = 42, observer } = this.#options;
    const { microBatchSize, divide = microBatches<B>, lossReduction = "global" } = this.#options;
    const { countRows = rowsOf } = this.#options;
    await this.#replicas.fromFirst(async () => {
      await data.prepareData();
      return null;
    });
    await data.setup("fit");
    this.#earlyStopping?.requireMetric(this.#validates);
    await this.#free();
    this.#requireMemory();
    const state = await newWeights(executor, model, {
      seed,
      ...(weights === undefined ? {} : { weights }),
    });
    this.#state = state;
    if (this.#closed !== null) await this.#free();
    this.#requireOpen();
    const said = await this.#replicas.connect(state);
    const checkpoint = await this.#checkpoints.resume(state, seed);
    const { path = null, notes = [] } = checkpoint ?? {};
    observer?.started?.({ step: this.step, checkpoint: path, notes: [...said, ...notes] });
    return new BatchRunner({
      model,
      executor,
      state,
      programs: new ModelPrograms(model),
      divide: (batch) => (microBatchSize === undefined ? [batch] : divide(batch, microBatchSize)),
      seed,
      lossReduction,
      countRows,
      replicas: this.#replicas,
      clock: this.#clock,
    });
  }

  /** Batches to ask the executor for before the values of the first are there. */
  get #ahead(): number {
    const { executor } = this.#options;
    // By way of the host the gradients of a step are waited for, and no rank knows of another's loss.
    const isAdded = this.#replicas.isAlone || this.#replicas.addsInPlace;
    return isAdded ? (executor.stepsInFlight ?? 1) : 1;
  }

  get #validates(): boolean {
    const { data, limitValBatches } = this.#options;
    return limitValBatches !== 0 && data.has("val");
  }

  get #isOver(): boolean {
    const isAtEnd = this.#place.step >= this.#options.maxSteps;
    return isAtEnd || this.#replicas.isStopped || (this.#earlyStopping?.isOver ?? false);
  }

  #reason(): FitResult["reason"] {
    if (this.#place.validationDue) return "stopped";
    if (this.#place.step >= this.#options.maxSteps) return "max-steps";
    return this.#earlyStopping?.isOver === true ? "early-stop" : "stopped";
  }

  async #steps(runner: BatchRunner<B>): Promise<void> {
    const steps = this.#stepsInFlight(runner);
    const loader = this.#options.data.trainLoader();
    const ended = async () => {
      await steps.see();
      return dataEnded(this.#stopped);
    };
    try {
      for await (const batch of epochsOf(loader, this.#place, ended)) {
        this.#clock.charge("data");
        this.#requireOpen();
        await steps.take(batch);
        if (steps.areSeen) await this.#afterStep(runner);
        this.#checkpoints.saver?.check();
        if (this.#isOver) break;
      }
    } catch (error) {
      await steps.end();
      throw error;
    }
    await steps.see();
  }

  #stepsInFlight(runner: BatchRunner<B>): StepsInFlight<B> {
    return new StepsInFlight({
      ...this.#options,
      runner,
      state: this.#state as ParameterState, // proof: fit() has made it
      optimizer: this.#optimizer,
      shards: this.#shards,
      place: this.#place,
      milestones: this.#milestones,
      clock: this.#clock,
      log: this.#log,
      limit: this.#ahead,
      replicas: this.#replicas,
      notFinite: (what, ranks) => lossNotFinite(what, ranks, this.#stopped),
    });
  }

  /** Validation and checkpoint, where they are due. */
  async #afterStep(runner: BatchRunner<B>): Promise<void> {
    const { validationDue, step } = this.#place;
    const isDue = validationDue || this.#milestones.validatesAfter(step);
    if (isDue) await this.#validate(runner);
    if (!this.#place.validationDue && this.#milestones.savesAfter(step)) await this.#save();
  }

  async #validate(runner: BatchRunner<B>): Promise<void> {
    const { data, limitValBatches: limit = Number.POSITIVE_INFINITY } = this.#options;
    this.#place.isSaved = false;
    const notFinite = new Set<number>();
    if (this.#validates) {
      const isCut = () => this.#replicas.isStopped;
      const onNotFinite = (ranks: readonly number[]) => {
        for (const rank of ranks) notFinite.add(rank);
      };
      const told = { ...this.#options, step: this.step, ahead: this.#ahead, onNotFinite };
      const metrics = await validate(runner, data.valLoader(), { ...told, limit, isCut });
      this.#clock.charge("validation");
      this.#place.validationDue = metrics === null;
      if (metrics === null) return;
      this.#place.validated(metrics);
    }
    this.#place.validationDue = false;
    const diverged = this.#place.divergedLoss;
    try {
      this.#earlyStopping?.see(this.#place.metrics);
      if (diverged === null && this.#validates) this.#requireMonitored();
    } catch (error) {
      await this.#save(); // nothing is lost with a metric that is not there
      throw error;
    }
    if (diverged === null || this.#earlyStopping?.isOver === true) return;
    throw await lossNotFinite(
      `the validation loss of step ${this.step} is ${diverged}`,
      [...notFinite],
      this.#stopped,
    );
  }

  /** Of a model that does not say its metrics, once they are seen. */
  #requireMonitored(): void {
    const { checkpoints, model } = this.#options;
    if (checkpoints === undefined || model.metrics !== undefined) return;
    requireKnown(Object.keys(this.#place.metrics), checkpoints.monitor, CHOICE);
  }

  async #save(): Promise<void> {
    if (this.#state === null || this.#place.isSaved) return;
    await this.#checkpoints.save(this.#state);
    this.#clock.charge("checkpoint");
  }

  /** Refuses a model that is sure not to fit. @throws ScdlError "out-of-memory" */
  #requireMemory(): void {
    const { model, executor, communicator, shardOptimizer } = this.#options;
    const { parameters } = model;
    const worldSize = communicator?.worldSize ?? 1;
    const sharers = shardOptimizer === true ? worldSize : 1;
    const { device = "" } = executor.settings ?? {};
    // A GPU's number is the executor's to know.
    const place = placeOf({ device }, processesHere(worldSize), () => []);
    const own = executor.deviceMemory ?? place.device;
    requireModelMemory({ parameters, trains: true, sharers }, { ...place, device: own });
  }

  #requireOpen(): void {
    if (this.#closed !== null) throw this.#closed;
  }

  get #stopped(): StoppedRun {
    const { checkpoints, microBatchSize, model, communicator } = this.#options;
    const { parameters } = model;
    const worldSize = communicator?.worldSize ?? 1;
    const hasWeights = this.#state !== null;
    const told = { step: this.step, saver: this.#checkpoints.saver, checkpoints, microBatchSize };
    return { ...told, parameters, hasWeights, worldSize, isFirst: this.#replicas.isFirst };
  }
}
