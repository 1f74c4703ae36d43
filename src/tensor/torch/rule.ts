import type { PlainNode, PlainValue } from "../device/plan.ts";
import { SavedTensors } from "../device/saved-tensors.ts";
import type { DropoutKey } from "../dropout-bits.ts";
import type { OpName } from "../op-attributes.ts";
import type { HostArray } from "../program.ts";
import type { CudaRandom } from "./cuda-random.ts";
import type { Libtorch } from "./libtorch.ts";
import type { Tensor } from "./tensor.ts";

/** Tensors by place; rules read no more of them than their operation has. */
export type Operands = readonly [Tensor, Tensor, Tensor, Tensor, Tensor, ...Tensor[]];

/** Calls the operators of libtorch that make up one operation. */
export type Rule<K extends OpName> = (
  node: PlainNode<K>,
  inputs: Operands,
  run: Run,
) => readonly Tensor[];

export type Rules<K extends OpName = OpName> = { readonly [N in K]: Rule<N> };

/** Masks that the kernels of a GPU draw: the layer of each by its id. */
export interface KernelMasks {
  readonly generator: CudaRandom;
  readonly masks: ReadonlyMap<number, number>;
}

/** One run of a program, as its operations see it. */
export class Run extends SavedTensors<Tensor> {
  readonly torch: Libtorch;
  readonly key: Omit<DropoutKey, "layer">;
  /** Dtype of products and attention; null where all is float32. */
  readonly lowDType: number | null;
  /** The program's inputs as they came, by their id. */
  readonly inputs: ReadonlyMap<number, HostArray>;
  /** Draws masks in kernels; null where masks are computed. */
  readonly #random: KernelMasks | null;
  readonly #facts = new Map<string, unknown>();
  /** What operations have in common, made by the first. */
  readonly #shared = new Map<string, Tensor>();
  /** The same for all runs: tables. */
  readonly #lasting: Map<string, Tensor>;

  constructor(
    torch: Libtorch,
    key: Omit<DropoutKey, "layer">,
    lowDType: number | null,
    lasting: Map<string, Tensor>,
    inputs: ReadonlyMap<number, HostArray>,
    random: KernelMasks | null = null,
  ) {
    super(
      (tensor) => torch.keep(tensor),
      (tensor) => torch.release(tensor),
    );
    this.#random = random;
    this.inputs = inputs;
    this.torch = torch;
    this.key = key;
    this.lowDType = lowDType;
    this.#lasting = lasting;
  }

  /** In the precision of products: the lower one of a mixed run. */
  low(x: Tensor): Tensor {
    if (this.lowDType === null) return x;
    if (x.lowered !== undefined) return x.lowered;
    const lowered = this.torch.cast(x, this.lowDType);
    if (lowered !== x) x.lowered = this.torch.keep(lowered);
    return lowered;
  }

  /** In float32, for sums, losses and normalisation. */
  high(x: Tensor): Tensor {
    return this.lowDType === null ? x : this.torch.cast(x, this.torch.dtypes.float32);
  }

  /** Whether the kernel that needs the mask `id` draws it: then there is no tensor of it. */
  isDrawn(id: number | undefined): boolean {
    return this.#random?.masks.has(id ?? -1) === true;
  }

  /** To be called before the kernel that draws the mask `id`. */
  seedMask(id: number | undefined): void {
    const layer = this.#random?.masks.get(id ?? -1);
    if (layer !== undefined) this.#random?.generator.seed({ ...this.key, layer });
  }

  /** Looked up once in a run. */
  fact<T>(key: string, find: () => T): T {
    if (!this.#facts.has(key)) this.#facts.set(key, find());
    return this.#facts.get(key) as T; // proof: a key is asked with one `find`
  }

  /** Made once in a run. */
  shared(key: string, make: () => Tensor): Tensor {
    return remembered(this.#shared, key, () => this.torch.keep(make()));
  }

  /**
   * A table made once in the life of the executor: at least the rows asked for. One that has too few is
   * made again, rounded up, so that lengths that keep changing do not each leave one behind.
   */
  lastingTable(key: string, rows: number, make: (rows: number) => Tensor): Tensor {
    const known = this.#lasting.get(key);
    if (known !== undefined && this.torch.sizeOf(known, 0) >= rows) return known;
    const made = this.torch.keep(make(2 ** Math.ceil(Math.log2(Math.max(rows, 1)))));
    this.torch.release(known);
    this.#lasting.set(key, made);
    return made;
  }

  /** Frees all that is left. */
  override end(): void {
    super.end();
    for (const tensor of this.#shared.values()) this.torch.release(tensor);
    this.#shared.clear();
  }
}

function remembered(made: Map<string, Tensor>, key: string, make: () => Tensor): Tensor {
  const known = made.get(key) ?? make();
  made.set(key, known);
  return known;
}

/** An output's or input's shape, where the operation has it. */
export function shapeOf(value: PlainValue | undefined): readonly number[] {
  return value?.shape ?? [];
}
