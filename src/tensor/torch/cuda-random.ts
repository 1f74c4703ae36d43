import type { PlainProgram, PlainValue } from "../device/plan.ts";
import { type DropoutKey, dropoutKeys } from "../dropout-bits.ts";
import type { LibtorchFunctions, LibtorchMethod } from "./binding.ts";

const GENERATOR = "_ZN2at4cuda6detail23getDefaultCUDAGeneratorEa";
const SET_SEED = "_ZN2at17CUDAGeneratorImpl16set_current_seedEm";

/**
 * The generator of a GPU that its dropout kernels draw from. It has no C function: the method of the
 * C++ class is called by its symbol, with the address of the generator and a 64-bit number.
 */
export class CudaRandom {
  /** What it is made of. */
  static readonly symbols = [GENERATOR, SET_SEED] as const;
  readonly #generator: number;
  readonly #setSeed: LibtorchMethod;

  private constructor(generator: number, setSeed: LibtorchMethod) {
    this.#generator = generator;
    this.#setSeed = setSeed;
  }

  /** Null where this libtorch lacks the symbols. */
  static open(binding: LibtorchFunctions, index: number): CudaRandom | null {
    const find = binding.symbol(GENERATOR, "uintptr_t", ["int8"]);
    const setSeed = binding.symbol(SET_SEED, "void", ["uintptr_t", "uint64"]);
    if (find === null || setSeed === null) return null;
    // What comes back refers to a handle, which is a pointer to the generator.
    return new CudaRandom(binding.addressAt(Number(find(index))), setSeed);
  }

  /** What the next kernel draws follows from the key alone, not from what was drawn before. */
  seed(key: DropoutKey): void {
    const { k0, k1 } = dropoutKeys(key);
    const high = BigInt.asUintN(32, BigInt(k0)) << 32n;
    this.#setSeed(this.#generator, high | BigInt.asUintN(32, BigInt(k1)));
  }
}

/** Masks that nothing but dropout and attention looks at, so that their kernels can draw them: layers by id. */
export function masksOfKernels({ nodes, outputs }: PlainProgram): ReadonlyMap<number, number> {
  const masks = new Map<number, number>();
  for (const node of nodes) {
    if (node.op === "dropoutMask") masks.set(node.outputs[0]?.id ?? -1, node.attributes.layer);
    for (const [place, { id }] of node.inputs.entries()) {
      const draws =
        (node.op === "dropout" && place === 1) ||
        (node.op === "attention" &&
          place === node.inputs.length - 1 &&
          fitsKernels(node.inputs[0])) ||
        (node.op === "attentionBackward" && place === node.inputs.length - 2);
      if (!draws) masks.delete(id);
    }
  }
  for (const { value } of outputs) masks.delete(value.id);
  return masks;
}

/** Whether the attention kernels of a GPU take these heads, [batch, length, heads, size]. */
export function fitsKernels(q: PlainValue | undefined): boolean {
  return (q?.shape[3] ?? 0) % 4 === 0;
}
