import { checkInputs } from "../check-inputs.ts";
import { checkUpdate } from "../check-update.ts";
import { executorClosed } from "../closed-executor.ts";
import type {
  Executable,
  Executor,
  ParameterState,
  RunInputs,
  RunOptions,
  RunOutputs,
  StateKind,
  StateOptions,
} from "../executor.ts";
import { type ExecutorSettings, executorSettings } from "../executor-settings.ts";
import { HostState } from "../host-state.ts";
import type { ExecutorOptions } from "../open-executor.ts";
import type { OptimizerSettings, UpdateOptions, UpdateResult } from "../optimizer.ts";
import { type HostArray, type NamedValue, newHostArray, type Program } from "../program.ts";
import { updateHost } from "../update/host-update.ts";
import { evaluate } from "./evaluate.ts";

/** Plain loops in this thread, float64 inside: slow, exact, for tests. */
export class ReferenceExecutor implements Executor {
  readonly name = "reference";
  readonly settings: ExecutorSettings;
  #isClosed = false;

  /** @throws UnsupportedFeatureError for what plain loops cannot do */
  constructor(options: ExecutorOptions = {}) {
    this.settings = executorSettings("reference", options);
  }

  async compile(program: Program): Promise<Executable> {
    return this.whileOpen(() => ({ program }));
  }

  async createState(
    parameters: readonly NamedValue[],
    options: StateOptions = {},
  ): Promise<ParameterState> {
    return this.whileOpen(() => new ReferenceState(this, new HostState(parameters, options)));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Does it now; one that was closed meanwhile rejects, as those whose work is done elsewhere.
   *
   * @throws InvalidArgumentError after {@link close}
   */
  async whileOpen<T>(work: () => T): Promise<T> {
    this.#requireOpen();
    const done = work();
    await null;
    this.#requireOpen();
    return done;
  }

  #requireOpen(): void {
    if (this.#isClosed) throw executorClosed(this.name);
  }
}

class ReferenceState implements ParameterState {
  readonly #executor: ReferenceExecutor;
  readonly #host: HostState;

  constructor(executor: ReferenceExecutor, host: HostState) {
    this.#executor = executor;
    this.#host = host;
  }

  get names(): readonly string[] {
    return this.#host.names;
  }

  get trained(): readonly string[] {
    return this.#host.trained;
  }

  get hostGradients(): ReadonlyMap<string, Float32Array> {
    return this.#host.views("gradients");
  }

  async write(kind: StateKind, arrays: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.#executor.whileOpen(() => this.#host.write(kind, arrays));
  }

  async read(
    kind: StateKind,
    names?: Iterable<string>,
  ): Promise<ReadonlyMap<string, Float32Array>> {
    return this.#executor.whileOpen(() => this.#host.read(kind, names));
  }

  async zeroGradients(): Promise<void> {
    return this.#executor.whileOpen(() => this.#host.zeroGradients());
  }

  async run(
    { program }: Executable,
    inputs: RunInputs,
    options: RunOptions = {},
  ): Promise<RunOutputs> {
    checkInputs(program, inputs);
    return this.#executor.whileOpen(() => this.#run(program, inputs, options));
  }

  #run(program: Program, inputs: RunInputs, options: RunOptions): RunOutputs {
    const { seed = 0, step = 0, microBatch = 0 } = options;
    const parameters = Object.fromEntries(this.#host.views("values"));
    const result = evaluate(program, { inputs, parameters }, { seed, step, microBatch });
    for (const [name, gradient] of result.gradients) {
      const sums = this.hostGradients.get(name);
      sums?.forEach((sum, i) => {
        sums[i] = sum + (gradient[i] ?? 0);
      });
    }
    const outputs: Record<string, HostArray> = {};
    for (const { name, value } of program.outputs) {
      const data = result.outputs.get(name) ?? [];
      const array = newHostArray(value.dtype, data.length);
      array.set(data);
      outputs[name] = array;
    }
    return outputs;
  }

  async update(optimizer: OptimizerSettings, options: UpdateOptions): Promise<UpdateResult> {
    checkUpdate(optimizer, options);
    return this.#executor.whileOpen(() => updateHost(this.#host, optimizer, options));
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
