import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { TrainableModel } from "../models/model.ts";
import type { Executor, ParameterState, RunOutputs } from "../tensor/index.ts";
import { type LossReduction, lossFactors } from "./loss-reduction.ts";
import { type RankedRows, type RankedValues, takeRanked } from "./metrics/ranked-values.ts";
import type { StepClock } from "./metrics/step-times.ts";
import { isEmptyBatch } from "./micro-batches.ts";
import { GRADIENT_SEED, type ModelPrograms, type ProgramMode } from "./model-programs.ts";
import type { RankSums, Replicas } from "./ranks/replicas.ts";

export interface BatchRunnerOptions<B> {
  readonly model: TrainableModel<B>;
  readonly executor: Executor;
  readonly state: ParameterState;
  readonly programs: ModelPrograms<B>;
  /** Batches as micro-batches. */
  readonly divide: (batch: B) => readonly B[];
  /** Of the dropout masks. */
  readonly seed: number;
  readonly lossReduction: LossReduction;
  readonly countRows: (batch: B) => number;
  /** Batches are parts of those of all ranks; sums are of all. */
  readonly replicas: Replicas;
  readonly clock: StepClock;
}

/** What a batch came to, summed over its micro-batches and over the ranks. */
export interface BatchSums {
  /** `loss` and the model's outputs by name. */
  readonly sums: Readonly<Record<string, number>>;
  /** What the loss sums over. */
  readonly count: number;
  readonly rows: number;
  /** Those that the model counts as tokens; rows times their length where it does not. */
  readonly tokens: number;
  /** Rows times their length, padding included. */
  readonly paddedTokens: number;
  /** Of several ranks those with a sum of their own that is not finite. */
  readonly notFinite: readonly number[];
}

/** The same of a batch of validation. */
export interface ValidationSums extends BatchSums {
  /** Of this rank's part: its rows, where the model has them ranked. */
  readonly ranked: readonly RankedRows[];
}

/** Runs the programs of a model over batches. */
export class BatchRunner<B> {
  readonly #options: BatchRunnerOptions<B>;

  constructor(options: BatchRunnerOptions<B>) {
    this.#options = options;
  }

  /**
   * Leaves the gradient of the batch of all ranks in the state, see {@link LossReduction}. A batch
   * without anything to count has gradient 0.
   *
   * @param step updates asked for before
   * @param ahead runs that may be asked for before the first of them is done
   * @returns what gives the sums, once they are known
   */
  async accumulate(batch: B, step: number, ahead: number): Promise<() => Promise<BatchSums>> {
    const { model, state, seed, clock, replicas } = this.#options;
    const parts = this.#divide(batch);
    const counts = parts.map((part) => model.lossCount(part));
    clock.charge("host");
    const { all, begin } = await replicas.share(counts, batch);
    this.#chargeExchange();
    const factors = lossFactors(this.#options.lossReduction, all).slice(begin);
    const zeroed = state.zeroGradients();
    const runs: Promise<RunOutputs>[] = [];
    const lost: unknown[] = [];
    await roomFor(ahead, [zeroed]);
    let [tokens, paddedTokens] = [0, 0];
    clock.charge("host");
    if (parts.length === 0) replicas.beginSums();
    for (const [at, part] of parts.entries()) {
      const size = model.sizeOf(part);
      const executable = await this.#compile(size, "train");
      const seedOfGradient = Float32Array.of(factors[at] ?? 0);
      const microBatch = begin + at;
      const inputs = { ...model.inputs(part, size, "train"), [GRADIENT_SEED]: seedOfGradient };
      clock.charge("host");
      if (at === parts.length - 1) replicas.beginSums();
      const run = state.run(executable, inputs, { seed, step, microBatch });
      run.catch((error: unknown) => lost.push(error));
      runs.push(replicas.unlessLost(run));
      await roomFor(ahead, runs);
      clock.charge("run");
      paddedTokens += size.batch * size.length;
      tokens += model.tokenCount?.(part) ?? size.batch * size.length;
    }
    clock.charge("host");
    await this.#sumGradients(zeroed);
    // The other ranks are told before they can know.
    if (lost.length > 0) throw lost[0];
    const numbers = [this.#rows(batch), tokens, paddedTokens];
    return async () => {
      await zeroed;
      const sums = sumsOfOutputs(await Promise.all(runs));
      clock.charge("run");
      const summed = await replicas.sum(sums, numbers);
      this.#chargeExchange();
      return sumsOf(summed, total(all));
    };
  }

  /** Forward pass without dropout and gradients; `ahead` and the result as of {@link accumulate}. */
  async evaluate(batch: B, ahead: number): Promise<() => Promise<ValidationSums>> {
    const { model, state, replicas } = this.#options;
    const runs: Promise<RunOutputs>[] = [];
    let [count, tokens, paddedTokens] = [0, 0, 0];
    for (const part of this.#divide(batch)) {
      const size = model.sizeOf(part);
      const executable = await this.#compile(size, "validate");
      const run = state.run(executable, model.inputs(part, size, "validate"));
      runs.push(replicas.unlessLost(run));
      await roomFor(ahead, runs);
      count += model.lossCount(part);
      paddedTokens += size.batch * size.length;
      tokens += model.tokenCount?.(part) ?? size.batch * size.length;
    }
    const given = [count, this.#rows(batch), tokens, paddedTokens];
    return async () => {
      const found = await Promise.all(runs.map(async (run) => takeRanked(await run)));
      const sums = sumsOfOutputs(found.map(({ scalars }) => scalars));
      const { numbers, ...summed } = await replicas.sum(sums, given);
      const [all = 0, ...rest] = numbers;
      const ranked = found.flatMap(({ ranked }) => (ranked === null ? [] : [ranked]));
      return { ...sumsOf({ ...summed, numbers: rest }, all), ranked };
    };
  }

  /** Spearman's correlation over what {@link evaluate} gave on all ranks; null where there is none. */
  spearman(values: RankedValues): Promise<number | null> {
    return values.spearman(this.#options.replicas);
  }

  /**
   * Milliseconds of the forward pass of a batch with dropout and of forward and backward together:
   * the graph that trains is one, so the same batch is run through a graph that ends at the loss. Each
   * runs once before it is timed. Only gradients change, which the next step begins anew.
   */
  async profile(
    batch: B,
    step: number,
  ): Promise<{ readonly forward: number; readonly both: number }> {
    const { model, state, seed, clock } = this.#options;
    const took = { forward: 0, train: 0 };
    for (const [microBatch, part] of this.#divide(batch).entries()) {
      const size = model.sizeOf(part);
      const inputs = model.inputs(part, size, "train");
      const options = { seed, step, microBatch };
      for (const mode of ["forward", "train"] as const) {
        const executable = await this.#compile(size, mode);
        const given =
          mode === "forward" ? inputs : { ...inputs, [GRADIENT_SEED]: Float32Array.of(0) };
        await state.run(executable, given, options);
        const begin = performance.now();
        await state.run(executable, given, options);
        took[mode] += performance.now() - begin;
      }
    }
    clock.charge("profile");
    return { forward: took.forward, both: took.train };
  }

  /**
   * Waits for the gradients of all ranks. Runs may not be done before: what this rank itself works
   * meanwhile is no waiting for others.
   *
   * @param zeroed when the update before has been made
   */
  async #sumGradients(zeroed: Promise<void>): Promise<void> {
    const { state, clock, replicas } = this.#options;
    if (replicas.isAlone) return;
    const summing = replicas.sumGradients(state);
    summing.catch(() => {});
    await replicas.unlessLost(zeroed).catch(() => {}); // its errors are seen with the sums
    clock.charge("update");
    clock.chargeWithTail("run", "exchange", await summing);
  }

  #chargeExchange(): void {
    const { clock, replicas } = this.#options;
    clock.charge(replicas.isAlone ? "host" : "exchange");
  }

  #divide(batch: B): readonly B[] {
    return isEmptyBatch(batch) ? [] : this.#options.divide(batch);
  }

  #rows(batch: B): number {
    return isEmptyBatch(batch) ? 0 : this.#options.countRows(batch);
  }

  async #compile(size: ReturnType<TrainableModel<B>["sizeOf"]>, mode: ProgramMode) {
    const { executor, programs, clock } = this.#options;
    if (mode !== "train") return executor.compile(programs.get(size, mode));
    clock.charge("host");
    const executable = await executor.compile(programs.get(size, mode));
    clock.charge("compile");
    return executable;
  }
}

/** Waits until no more than `ahead` - 1 of the promises are open; errors of the others are seen later. */
async function roomFor(ahead: number, asked: readonly Promise<unknown>[]): Promise<void> {
  asked.at(-1)?.catch(() => {});
  await asked.at(-ahead);
}

/** Adds `from` to `sums`, name by name. */
export function addSums(
  sums: Record<string, number>,
  from: Readonly<Record<string, number>>,
): void {
  for (const [name, value] of Object.entries(from)) sums[name] = (sums[name] ?? 0) + value;
}

function sumsOf({ sums, numbers, notFinite }: RankSums, count: number): BatchSums {
  const [rows = 0, tokens = 0, paddedTokens = 0] = numbers;
  return { sums, count, rows, tokens, paddedTokens, notFinite };
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function sumsOfOutputs(found: readonly RunOutputs[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const outputs of found) addScalars(sums, outputs);
  return sums;
}

function addScalars(sums: Record<string, number>, outputs: RunOutputs): void {
  for (const [name, values] of Object.entries(outputs)) {
    if (values.length !== 1) {
      throw new InvalidArgumentError(
        "outputs",
        name,
        `the model's output ${name} has ${values.length} values, expected a scalar that can be summed`,
      );
    }
    sums[name] = (sums[name] ?? 0) + (values[0] ?? 0);
  }
}
