import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { TrainableModel } from "../models/model.ts";
import type { Executor, ParameterState, RunOutputs } from "../tensor/index.ts";
import { GRADIENT_SEED, type ModelPrograms } from "./model-programs.ts";
import type { StepClock } from "./step-times.ts";

export interface BatchRunnerOptions<B> {
  readonly model: TrainableModel<B>;
  readonly executor: Executor;
  readonly state: ParameterState;
  readonly programs: ModelPrograms<B>;
  /** Batches as micro-batches. */
  readonly divide: (batch: B) => readonly B[];
  /** Of the dropout masks. */
  readonly seed: number;
  readonly clock: StepClock;
}

/** What a batch came to, summed over its micro-batches. */
export interface BatchSums {
  /** `loss` and the model's outputs by name. */
  readonly sums: Readonly<Record<string, number>>;
  /** What the loss sums over. */
  readonly count: number;
  /** Rows times their length, padding included. */
  readonly tokens: number;
}

/** Runs the programs of a model over batches. */
export class BatchRunner<B> {
  readonly #options: BatchRunnerOptions<B>;

  constructor(options: BatchRunnerOptions<B>) {
    this.#options = options;
  }

  /**
   * Leaves the gradient of the batch in the state: that of the summed loss over the count of the
   * whole batch, however it is divided. A batch without anything to count has gradient 0.
   *
   * @param step updates done before
   */
  async accumulate(batch: B, step: number): Promise<BatchSums> {
    const { model, state, divide, seed, clock } = this.#options;
    const parts = divide(batch);
    const count = parts.reduce((total, part) => total + model.lossCount(part), 0);
    const gradientSeed = Float32Array.of(count === 0 ? 0 : 1 / count);
    await state.zeroGradients();
    const sums: Record<string, number> = {};
    let tokens = 0;
    clock.charge("host");
    for (const [microBatch, part] of parts.entries()) {
      const size = model.sizeOf(part);
      const executable = await this.#compile(size, "train");
      const inputs = { ...model.inputs(part, size, "train"), [GRADIENT_SEED]: gradientSeed };
      clock.charge("host");
      const outputs = await state.run(executable, inputs, { seed, step, microBatch });
      clock.charge("run");
      addScalars(sums, outputs);
      tokens += size.batch * size.length;
    }
    clock.charge("host");
    return { sums, count, tokens };
  }

  /** Forward pass without dropout and gradients. */
  async evaluate(batch: B): Promise<BatchSums> {
    const { model, state, divide } = this.#options;
    const sums: Record<string, number> = {};
    let [count, tokens] = [0, 0];
    for (const part of divide(batch)) {
      const size = model.sizeOf(part);
      const executable = await this.#compile(size, "validate");
      addScalars(sums, await state.run(executable, model.inputs(part, size, "validate")));
      count += model.lossCount(part);
      tokens += size.batch * size.length;
    }
    return { sums, count, tokens };
  }

  async #compile(size: ReturnType<TrainableModel<B>["sizeOf"]>, mode: "train" | "validate") {
    const { executor, programs, clock } = this.#options;
    clock.charge(mode === "train" ? "host" : "validation");
    const executable = await executor.compile(programs.get(size, mode));
    clock.charge(mode === "train" ? "compile" : "validation");
    return executable;
  }
}

/** Adds `from` to `sums`, name by name. */
export function addSums(
  sums: Record<string, number>,
  from: Readonly<Record<string, number>>,
): void {
  for (const [name, value] of Object.entries(from)) sums[name] = (sums[name] ?? 0) + value;
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
