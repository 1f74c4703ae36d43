import type { DropoutKey } from "../dropout-bits.ts";
import type { OpName } from "../op-attributes.ts";
import type { ProgramNode, Shape, TensorType } from "../program.ts";
import { elementCount } from "../program.ts";

/** float32 tensors are computed in float64, so that finite differences mean something. */
export type Buffer64 = Float64Array | Int32Array | Uint8Array;

/** Computes the outputs of one node from its inputs. */
export type Kernel<K extends OpName> = (
  node: ProgramNode<K>,
  inputs: Operands64,
  key: Omit<DropoutKey, "layer">,
) => readonly Buffer64[];

/** Inputs as a tuple; kernels read no more of it than their operation has. */
export type Operands64 = readonly [Floats, Floats, Floats, Floats, Floats, ...Floats[]];

/**
 * Kernels index inputs of any dtype as arrays of numbers; the dtypes were checked when the program
 * was built, and reading needs no more than numbers by index.
 */
export type Floats = Float64Array;

export type Kernels<K extends OpName = OpName> = { readonly [N in K]: Kernel<N> };

export function newBuffer(type: TensorType): Buffer64 {
  const count = elementCount(type.shape);
  if (type.dtype === "float32") return new Float64Array(count);
  return type.dtype === "int32" ? new Int32Array(count) : new Uint8Array(count);
}

/** Row-major strides. */
export function strides(shape: Shape): number[] {
  const result = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    result[axis] = (result[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  }
  return result;
}

/** For every element of `shape` in order, the offset that `steps` (by axis) gives it. */
export function offsets(shape: Shape, steps: readonly number[]): Int32Array {
  let result = new Int32Array(1);
  for (const [axis, size] of shape.entries()) {
    const next = new Int32Array(result.length * size);
    let at = 0;
    for (const base of result) {
      for (let i = 0; i < size; i++) next[at++] = base + i * (steps[axis] ?? 0);
    }
    result = next;
  }
  return result;
}

/** For every element of `to`, the element of `from` that broadcasting puts there. */
export function broadcastOffsets(from: Shape, to: Shape): Int32Array {
  const own = strides(from);
  const extra = to.length - from.length;
  const steps = to.map((_, axis) => {
    const at = axis - extra;
    return at < 0 || from[at] === 1 ? 0 : (own[at] ?? 0);
  });
  return offsets(to, steps);
}
