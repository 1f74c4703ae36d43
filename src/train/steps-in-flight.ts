import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { OptimizerSettings, ParameterState, UpdateResult } from "../tensor/index.ts";
import type { BatchRunner, BatchSums } from "./batch-runner.ts";
import type { StepLog } from "./metrics/step-log.ts";
import type { StepClock } from "./metrics/step-times.ts";
import type { Milestones } from "./milestones.ts";
import { LOSS } from "./model-programs.ts";
import type { OptimizerShards } from "./ranks/optimizer-shards.ts";
import type { Replicas } from "./ranks/replicas.ts";
import type { RunPlace } from "./run-place.ts";
import type { Schedule } from "./schedule.ts";
import type { TrainerOptions } from "./trainer-options.ts";

export interface StepsInFlightOptions<B>
  extends Pick<
    TrainerOptions<B>,
    "model" | "schedule" | "maxSteps" | "maxGradientNorm" | "profileStep"
  > {
  readonly observer?: TrainerOptions<B>["observer"];
  readonly logger?: TrainerOptions<B>["logger"];
  readonly logEveryNSteps?: number;
  readonly runner: BatchRunner<B>;
  readonly state: ParameterState;
  readonly optimizer: OptimizerSettings;
  readonly shards: OptimizerShards | null;
  readonly place: RunPlace;
  readonly milestones: Milestones;
  readonly clock: StepClock;
  readonly log: StepLog;
  /** Steps that may be asked for before the values of the first are seen. */
  readonly limit: number;
  readonly replicas: Pick<Replicas, "isAlone" | "shareValues">;
  /** The error of a loss or gradient that is not finite, and on which ranks, where it is known. */
  readonly notFinite: (what: string, ranks: readonly number[]) => Promise<Error>;
}

/** A step that the executor was asked for. */
interface AskedStep<B> {
  readonly batch: B;
  /** Updates, this one included. */
  readonly step: number;
  readonly epoch: number;
  readonly learningRate: number;
  readonly sums: () => Promise<BatchSums>;
  readonly update: Promise<UpdateResult>;
  /** The values that other ranks have updated, where the device shares them. */
  readonly shared: Promise<void> | null;
}

/**
 * The training steps of a run. An executor with `stepsInFlight` is asked for the next ones before the
 * values of the first are there, so that its device does not wait for the host; each is told of in order, with
 * its own values. Before a step that something else follows, all of them are seen.
 *
 * Where a loss or a gradient is not finite, updates asked for after it change nothing: their
 * guard says so on the device.
 */
export class StepsInFlight<B> {
  readonly #options: StepsInFlightOptions<B>;
  readonly #asked: AskedStep<B>[] = [];

  constructor(options: StepsInFlightOptions<B>) {
    this.#options = options;
  }

  /** Whether every step that was asked for has been seen. */
  get areSeen(): boolean {
    return this.#asked.length === 0;
  }

  /** Asks for the step of a batch, and sees so many that it may ask for another. */
  async take(batch: B): Promise<void> {
    const { limit, place, milestones, profileStep } = this.#options;
    const step = place.step + this.#asked.length + 1;
    this.#asked.push(await this.#ask(batch, step));
    const isFollowed = milestones.follow(step) || step === profileStep;
    while (this.#asked.length >= (isFollowed ? 1 : limit)) await this.#seeFirst();
  }

  /**
   * After an error in asking: what was asked for before is seen. Of several ranks the others may not be
   * there to add up with; then it is only waited for.
   */
  async end(): Promise<void> {
    await (this.#options.replicas.isAlone ? this.see() : this.#forget());
  }

  /** Sees all that was asked for. */
  async see(): Promise<void> {
    while (!this.areSeen) await this.#seeFirst();
  }

  async #ask(batch: B, step: number): Promise<AskedStep<B>> {
    const { runner, state, optimizer, schedule, maxGradientNorm } = this.#options;
    const { limit, place, clock, shards, replicas } = this.#options;
    const { epoch } = place;
    const learningRate = rateOf(schedule, step);
    let sums = await runner.accumulate(batch, step - 1, limit);
    if (limit === 1) {
      const known = await sums();
      await this.#assertFinite(step, this.#lossOf(known), known);
      sums = async () => known;
    }
    const update = state.update(optimizer, {
      ...{ step: step - place.skippedBefore, learningRate },
      ...(maxGradientNorm === undefined ? {} : { maxGradientNorm }),
      ...(shards === null ? {} : { only: shards.mine }),
      ...(limit === 1 ? {} : { guard: { outputs: [LOSS], update: !this.areSeen } }),
    });
    update.catch(() => {}); // it is looked at when the step is seen
    clock.charge("update");
    const shared = shards === null ? null : replicas.shareValues(shards.names);
    shared?.catch(() => {}); // as the update
    if (shards !== null && shared === null) await this.#shareByHost(shards, update);
    return { batch, step, epoch, learningRate, sums, update, shared };
  }

  /** The next run needs what other ranks have updated. */
  async #shareByHost(shards: OptimizerShards, update: Promise<UpdateResult>): Promise<void> {
    const { state, clock } = this.#options;
    // Whether values have changed all ranks see alike.
    const { applied } = await update;
    clock.charge("update");
    if (applied) await shards.shareValues(state);
    clock.charge("exchange");
  }

  async #seeFirst(): Promise<void> {
    const asked = this.#asked.shift();
    if (asked === undefined) return;
    try {
      await this.#seeStep(asked);
    } catch (error) {
      await this.#forget();
      throw error;
    }
  }

  async #seeStep(asked: AskedStep<B>): Promise<void> {
    const { clock, observer, log, place, runner } = this.#options;
    const { batch, step, learningRate } = asked;
    const sums = await asked.sums();
    const result = await asked.update;
    await asked.shared;
    clock.charge("update");
    const loss = this.#lossOf(sums);
    const { applied, skipped = false } = result;
    if (applied || skipped) {
      const { gradientNorm } = result;
      const scale = result.lossScale === undefined ? {} : { lossScale: result.lossScale, skipped };
      const { rows } = sums;
      place.trained({ loss, learningRate, gradientNorm, rows, epoch: asked.epoch, ...scale });
    }
    await this.#assertFinite(step, loss, sums);
    const { gradientNorm } = result;
    if (!applied && !skipped) throw await this.#notFinite("gradient norm", step, gradientNorm);
    log.count(sums);
    const { consumedSamples } = place;
    const { tokens, paddedTokens } = sums;
    const event = { step, batch, loss, learningRate, gradientNorm, consumedSamples, skipped };
    observer?.trained?.({ ...event, tokens, paddedTokens });
    this.#logStep(step);
    if (step !== this.#options.profileStep) return;
    const { forward, both } = await runner.profile(batch, step - 1);
    const times = { forward_ms: forward, backward_ms: Math.max(0, both - forward) };
    this.#options.logger?.log(step, times);
  }

  #logStep(step: number): void {
    const { logger, logEveryNSteps = 1, maxSteps, log, place, clock } = this.#options;
    if (step % logEveryNSteps === 0 || step === maxSteps) {
      logger?.log(step, log.line(place.metrics));
    }
    clock.charge("log");
  }

  /** After an error: waits for the rest, of which nothing is told but that they were done. */
  async #forget(): Promise<void> {
    const { place } = this.#options;
    const results = this.#asked.splice(0).map(({ update }) => update);
    for (const result of await Promise.allSettled(results)) {
      if (result.status !== "fulfilled") continue;
      if (result.value.applied || result.value.skipped === true) place.step++;
    }
  }

  #lossOf({ sums, count }: BatchSums): number {
    return this.#options.model.reduce(sums, Math.max(count, 1))["loss"] ?? Number.NaN;
  }

  async #assertFinite(step: number, loss: number, { notFinite }: BatchSums): Promise<void> {
    if (!Number.isFinite(loss)) throw await this.#notFinite("loss", step, loss, notFinite);
  }

  /** @param ranks none for a gradient: it is known as the sum of all */
  async #notFinite(
    what: string,
    step: number,
    value: number,
    ranks: readonly number[] = [],
  ): Promise<Error> {
    await this.#forget();
    return this.#options.notFinite(`the ${what} of step ${step} is ${value}`, ranks);
  }
}

/** @throws InvalidArgumentError for a schedule that gives what is no rate */
function rateOf(schedule: Schedule, step: number): number {
  const rate = schedule(step - 1);
  if (rate >= 0 && Number.isFinite(rate)) return rate;
  const message =
    `the schedule gave ${rate} as the learning rate of step ${step}, ` +
    "expected a finite number of at least 0";
  throw new InvalidArgumentError("schedule", rate, message, {
    suggestions: [`it was asked for schedule(${step - 1}): steps count from 0`],
  });
}
