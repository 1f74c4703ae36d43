import type { Tensor } from "@tensorflow/tfjs-core";
import type { PlainNamed } from "../device/plan.ts";
import type { ResidentState } from "../device/session.ts";
import type { StateKind } from "../executor.ts";
import { elementCount, type Shape } from "../program.ts";
import type { TensorFlow } from "./load.ts";

const KINDS = ["values", "gradients", "first", "second"] as const;

/** Parameters, gradients and moments of a model in a backend's memory. */
export class TfjsTensors implements ResidentState {
  readonly trained: readonly string[];
  readonly #tf: TensorFlow;
  readonly #shapes: ReadonlyMap<string, Shape>;
  readonly #trains: ReadonlySet<string>;
  /** What is absent is zero. */
  readonly #tensors: Readonly<Record<StateKind, Map<string, Tensor>>> = {
    values: new Map(),
    gradients: new Map(),
    first: new Map(),
    second: new Map(),
  };

  constructor(tf: TensorFlow, parameters: readonly PlainNamed[], trained: readonly string[]) {
    this.#tf = tf;
    this.#shapes = new Map(parameters.map(({ name, value }) => [name, value.shape]));
    this.trained = trained;
    this.#trains = new Set(trained);
  }

  /** A tensor of the state; do not dispose it. Absent ones are made, zero. */
  tensor(kind: StateKind, name: string): Tensor {
    const known = this.#tensors[kind].get(name);
    if (known !== undefined) return known;
    const made = this.#tf.keep(this.#tf.zeros([...this.#shape(name)]));
    this.#tensors[kind].set(name, made);
    return made;
  }

  /** Puts a tensor, which is the state's from now on, in the place of the old one. */
  replace(kind: StateKind, name: string, tensor: Tensor): void {
    this.#tensors[kind].get(name)?.dispose();
    this.#tensors[kind].set(name, this.#tf.keep(tensor));
  }

  /** Adds to a gradient; those of frozen parameters are dropped. */
  accumulate(name: string, gradient: Tensor): void {
    if (!this.#trains.has(name)) return;
    const known = this.#tensors.gradients.get(name);
    const sum = known === undefined ? gradient.clone() : this.#tf.add(known, gradient);
    this.replace("gradients", name, sum);
  }

  zeroGradients(): void {
    this.#free("gradients");
  }

  write(kind: StateKind, arrays: ReadonlyMap<string, Float32Array>): void {
    for (const [name, array] of arrays) {
      this.replace(kind, name, this.#tf.tensor(array, [...this.#shape(name)], "float32"));
    }
  }

  async read(kind: StateKind, names: readonly string[]): Promise<Map<string, Float32Array>> {
    const arrays = new Map<string, Float32Array>();
    for (const name of names) {
      const data = await this.#tensors[kind].get(name)?.data();
      // A copy: some backends give the tensor's own memory.
      const length = elementCount(this.#shape(name));
      arrays.set(name, data === undefined ? new Float32Array(length) : Float32Array.from(data));
    }
    return arrays;
  }

  close(): void {
    for (const kind of KINDS) this.#free(kind);
  }

  #shape(name: string): Shape {
    return this.#shapes.get(name) ?? [];
  }

  #free(kind: StateKind): void {
    for (const tensor of this.#tensors[kind].values()) tensor.dispose();
    this.#tensors[kind].clear();
  }
}
