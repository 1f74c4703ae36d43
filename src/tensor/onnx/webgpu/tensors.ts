import type { Tensor } from "onnxruntime-node";
import type { PlainNamed } from "../../device/plan.ts";
import type { ResidentState } from "../../device/session.ts";
import type { StateKind } from "../../executor.ts";
import { elementCount, type Shape } from "../../program.ts";
import type { GpuSessions } from "./sessions.ts";

const KINDS = ["values", "gradients", "first", "second"] as const;

/** Parameters, gradients and moments of a model in the GPU's memory. */
export class GpuTensors implements ResidentState {
  readonly trained: readonly string[];
  readonly #gpu: GpuSessions;
  readonly #shapes: ReadonlyMap<string, Shape>;
  readonly #trains: ReadonlySet<string>;
  /** What is absent is zero. */
  readonly #tensors: Readonly<Record<StateKind, Map<string, Tensor>>> = {
    values: new Map(),
    gradients: new Map(),
    first: new Map(),
    second: new Map(),
  };
  /** What stands for absent tensors, by shape. */
  readonly #zeros = new Map<string, Tensor>();

  constructor(gpu: GpuSessions, parameters: readonly PlainNamed[], trained: readonly string[]) {
    this.#gpu = gpu;
    this.#shapes = new Map(parameters.map(({ name, value }) => [name, value.shape]));
    this.trained = trained;
    this.#trains = new Set(trained);
  }

  trains(name: string): boolean {
    return this.#trains.has(name);
  }

  shape(name: string): Shape {
    return this.#shapes.get(name) ?? [];
  }

  /** A tensor of the state; zeros, shared by all of its shape, where there is none. */
  async tensor(kind: StateKind, name: string): Promise<Tensor> {
    return this.#tensors[kind].get(name) ?? this.zeros(this.shape(name));
  }

  async zeros(shape: Shape): Promise<Tensor> {
    const known = this.#zeros.get(shape.join());
    if (known !== undefined) return known;
    const made = await this.#gpu.upload(new Float32Array(elementCount(shape)), shape);
    this.#zeros.set(shape.join(), made);
    return made;
  }

  /** Puts a tensor, which is the state's from now on, in the place of the old one. */
  replace(kind: StateKind, name: string, tensor: Tensor | undefined): void {
    if (tensor === undefined) throw new Error(`${kind} of ${name} were not computed`);
    this.#gpu.release(this.#tensors[kind].get(name));
    this.#tensors[kind].set(name, tensor);
  }

  zeroGradients(): void {
    this.#free("gradients");
  }

  async write(kind: StateKind, arrays: ReadonlyMap<string, Float32Array>): Promise<void> {
    for (const [name, array] of arrays) {
      this.replace(kind, name, await this.#gpu.upload(array, this.shape(name)));
    }
  }

  async read(kind: StateKind, names: readonly string[]): Promise<Map<string, Float32Array>> {
    const arrays = new Map<string, Float32Array>();
    for (const name of names) {
      const shape = this.shape(name);
      const tensor = this.#tensors[kind].get(name);
      const data = tensor === undefined ? undefined : await this.#gpu.download(tensor, shape);
      arrays.set(name, Float32Array.from(data ?? new Float32Array(elementCount(shape))));
    }
    return arrays;
  }

  close(): void {
    for (const kind of KINDS) this.#free(kind);
    for (const tensor of this.#zeros.values()) this.#gpu.release(tensor);
    this.#zeros.clear();
  }

  #free(kind: StateKind): void {
    for (const tensor of this.#tensors[kind].values()) this.#gpu.release(tensor);
    this.#tensors[kind].clear();
  }
}
