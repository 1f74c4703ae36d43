import type { PlainNamed } from "../device/plan.ts";
import type { StateKind } from "../executor.ts";
import type { LossScaleState } from "../optimizer.ts";
import { elementCount } from "../program.ts";
import type { Libtorch } from "./libtorch.ts";
import { LossScale } from "./loss-scale.ts";
import type { GradientBuckets, GradientOwner } from "./sums/gradient-buckets.ts";
import type { Tensor } from "./tensor.ts";
import { UpdateGuard } from "./update-guard.ts";

/** Parameters, gradients and moments of a model on the device. */
export class TensorState implements GradientOwner {
  readonly guard: UpdateGuard;
  /** Of float16 alone, and of states that are trained. */
  readonly lossScale: LossScale | null;
  readonly #torch: Libtorch;
  readonly #parameters: ReadonlyMap<string, PlainNamed["value"]>;
  readonly #trained: ReadonlySet<string>;
  /** What is absent is zero. */
  readonly #tensors: Readonly<Record<StateKind, Map<string, Tensor>>> = {
    values: new Map(),
    gradients: new Map(),
    first: new Map(),
    second: new Map(),
  };

  /** Sums over the ranks; null where there is one. */
  buckets: GradientBuckets | null = null;

  /** @param isScaled whether the loss of its runs is multiplied by a factor */
  constructor(
    torch: Libtorch,
    parameters: readonly PlainNamed[],
    trained: readonly string[],
    isScaled = false,
  ) {
    this.#torch = torch;
    this.guard = new UpdateGuard(torch);
    this.lossScale = isScaled && trained.length > 0 ? new LossScale(torch) : null;
    this.#parameters = new Map(parameters.map(({ name, value }) => [name, value]));
    this.#trained = new Set(trained);
    for (const { name } of parameters) this.#zero("values", name);
    torch.sweep();
  }

  get trained(): readonly string[] {
    return [...this.#trained];
  }

  value(name: string): Tensor {
    const tensor = this.#tensors.values.get(name);
    if (tensor === undefined) throw new Error(`the state has no parameter ${name}`);
    return tensor;
  }

  /** Tensors of a kind in the order of the names; absent ones are made, zero. */
  all(kind: StateKind, names: readonly string[]): Tensor[] {
    return names.map((name) => this.#tensors[kind].get(name) ?? this.#zero(kind, name));
  }

  /**
   * Adds to a gradient. Gradients are never written in place: the first one of a step is taken as it
   * is, unless others see its memory (`shared`). The sum is of gradients times `factor`; null is 1.
   */
  accumulate(name: string, gradient: Tensor, shared: boolean, factor: Tensor | null): void {
    if (!this.#trained.has(name)) return;
    this.#add(name, gradient, shared, factor);
    this.buckets?.made(name);
  }

  gradients(names: readonly string[]): readonly Tensor[] {
    return this.all("gradients", names);
  }

  /** Takes another tensor for a gradient, given flat. */
  replaceGradient(name: string, flat: Tensor): void {
    const shape = this.#parameters.get(name)?.shape ?? [];
    this.#set("gradients", name, this.#torch.one("reshape", flat, [...shape]));
  }

  health(outputs: readonly string[]): Tensor {
    return this.guard.health(outputs);
  }

  replaceHealth(outputs: readonly string[], flat: Tensor): void {
    this.guard.replaceHealth(outputs, this.#torch.one("reshape", flat, []));
  }

  #add(name: string, gradient: Tensor, shared: boolean, factor: Tensor | null): void {
    const torch = this.#torch;
    const known = this.#tensors.gradients.get(name);
    const cast = torch.cast(gradient, torch.dtypes.float32);
    const wide = factor === null ? cast : torch.one("mul", cast, factor);
    if (known !== undefined) {
      this.#set("gradients", name, torch.add(known, wide));
      return;
    }
    const ordered = torch.contiguous(wide);
    const taken = ordered !== gradient ? ordered : shared ? torch.copy(ordered) : null;
    this.#set("gradients", name, taken ?? torch.another(gradient));
  }

  /** After values changed: their copies in a lower precision are written again, by one call for all. */
  valuesChanged(): void {
    const values = [...this.#tensors.values.values()].filter(
      ({ lowered }) => lowered !== undefined,
    );
    if (values.length === 0) return;
    const copies = values.map(({ lowered }) => lowered as Tensor); // proof: filtered
    this.#torch.many("foreachCopy", copies, values);
  }

  zeroGradients(): void {
    this.guard.begin();
    this.#free("gradients");
  }

  write(kind: StateKind, arrays: ReadonlyMap<string, Float32Array>): void {
    for (const [name, array] of arrays) {
      const shape = this.#parameters.get(name)?.shape ?? [];
      this.#set(kind, name, this.#torch.upload(array, shape));
      this.#torch.sweep();
    }
  }

  read(kind: StateKind, names: readonly string[]): Map<string, Float32Array> {
    const arrays = new Map<string, Float32Array>();
    for (const name of names) {
      const shape = this.#parameters.get(name)?.shape ?? [];
      const array = new Float32Array(elementCount(shape));
      const tensor = this.#tensors[kind].get(name);
      if (tensor !== undefined) this.#torch.download(tensor, array, shape);
      this.#torch.sweep();
      arrays.set(name, array);
    }
    return arrays;
  }

  /** The loss's factor, after it was set if one is given; null where there is none. */
  scale(set: LossScaleState | null): LossScaleState | null {
    if (this.lossScale === null) return null;
    if (set !== null) this.lossScale.write(set);
    return this.lossScale.read();
  }

  close(): void {
    this.guard.close();
    this.lossScale?.close();
    this.buckets?.close();
    for (const kind of ["values", "gradients", "first", "second"] as const) this.#free(kind);
  }

  #zero(kind: StateKind, name: string): Tensor {
    const shape = this.#parameters.get(name)?.shape ?? [];
    const tensor = this.#torch.full(shape, 0, this.#torch.dtypes.float32);
    this.#set(kind, name, tensor);
    return tensor;
  }

  #set(kind: StateKind, name: string, tensor: Tensor): void {
    this.#torch.release(this.#tensors[kind].get(name));
    this.#tensors[kind].set(name, this.#torch.keep(tensor));
  }

  #free(kind: StateKind): void {
    for (const tensor of this.#tensors[kind].values()) this.#torch.release(tensor);
    this.#tensors[kind].clear();
  }
}
