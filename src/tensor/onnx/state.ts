import { checkInputs } from "../check-inputs.ts";
import type {
  Executable,
  ParameterState,
  RunInputs,
  RunOptions,
  RunOutputs,
  StateKind,
} from "../executor.ts";
import type { HostState } from "../host-state.ts";
import { updateHost } from "../host-update.ts";
import type { OptimizerSettings, UpdateOptions, UpdateResult } from "../optimizer.ts";
import type { OnnxExecutor } from "./executor.ts";

/** Parameters in shared memory: this thread writes and reads them, ONNX Runtime's runs on them. */
export class OnnxState implements ParameterState {
  readonly #executor: OnnxExecutor;
  readonly #id: number;
  readonly #host: HostState;
  /** What was asked last; the next waits for it. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(executor: OnnxExecutor, id: number, host: HostState) {
    this.#executor = executor;
    this.#id = id;
    this.#host = host;
  }

  get names(): readonly string[] {
    return this.#host.places.map(({ name }) => name);
  }

  get trained(): readonly string[] {
    return this.#host.trainedPlaces.map(({ name }) => name);
  }

  get hostGradients(): ReadonlyMap<string, Float32Array> {
    return this.#host.views("gradients");
  }

  write(kind: StateKind, arrays: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.#inOrder(() => this.#host.write(kind, arrays));
  }

  read(kind: StateKind, names?: Iterable<string>): Promise<ReadonlyMap<string, Float32Array>> {
    return this.#inOrder(() => this.#host.read(kind, names));
  }

  zeroGradients(): Promise<void> {
    return this.#inOrder(() => {
      new Float32Array(this.#host.block("gradients")).fill(0);
    });
  }

  run({ program }: Executable, inputs: RunInputs, options: RunOptions = {}): Promise<RunOutputs> {
    const { seed = 0, step = 0, microBatch = 0 } = options;
    return this.#inOrder(async () => {
      checkInputs(program, inputs);
      const id = await this.#executor.load(program);
      return this.#executor.send({
        kind: "run",
        program: id,
        state: this.#id,
        inputs,
        options: { seed, step, microBatch },
      });
    });
  }

  update(optimizer: OptimizerSettings, options: UpdateOptions): Promise<UpdateResult> {
    return this.#inOrder(() => updateHost(this.#host, optimizer, options));
  }

  async close(): Promise<void> {
    await this.#inOrder(() => this.#executor.send({ kind: "detach", state: this.#id }));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #inOrder<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}
