import type { PlainNamed, PlainProgram } from "../device/plan.ts";
import type { DeviceRuntime } from "../device/session.ts";
import type { OptimizerSettings, UpdateOptions, UpdateResult } from "../optimizer.ts";
import type { TfjsBackend } from "./backends.ts";
import type { LoadedTensorFlow, TensorFlow } from "./load.ts";
import type { TfjsDescription } from "./messages.ts";
import { TfjsProgram } from "./program.ts";
import type { LastingTensors } from "./rule.ts";
import { TfjsTensors } from "./tensors.ts";
import { updateOnBackend } from "./update.ts";

/** TensorFlow.js, loaded in the thread, with what all its programs share. */
export class TfjsRuntime implements DeviceRuntime<TfjsTensors, TfjsDescription> {
  readonly #tf: TensorFlow;
  readonly #backend: TfjsBackend;
  readonly #lasting: LastingTensors = new Map();

  constructor({ tf, backend }: LoadedTensorFlow) {
    this.#tf = tf;
    this.#backend = backend;
  }

  describe(): TfjsDescription {
    const liveTensors = this.#tf.memory().numTensors;
    return { liveTensors, backend: this.#backend, version: this.#tf.version_core };
  }

  load(program: PlainProgram): TfjsProgram {
    return new TfjsProgram(this.#tf, program, this.#lasting);
  }

  create(parameters: readonly PlainNamed[], trained: readonly string[]): TfjsTensors {
    return new TfjsTensors(this.#tf, parameters, trained);
  }

  update(
    state: TfjsTensors,
    optimizer: OptimizerSettings,
    options: UpdateOptions,
  ): Promise<UpdateResult> {
    return updateOnBackend(this.#tf, state, optimizer, options);
  }

  afterRequest(): void {}
}
