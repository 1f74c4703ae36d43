/** Operations that move elements, and sums over axes. */
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { elementCount, type Shape, type Value } from "../program.ts";
import {
  broadcastShapes,
  requireFloat,
  requireShape,
  resolveAxis,
  sameShape,
  shapeMismatch,
  shapeText,
} from "../shape-checks.ts";
import { scale } from "./elementwise.ts";
import { one } from "./one.ts";

/** The same elements in row-major order under another shape; one size may be -1. */
export function reshape(x: Value, shape: Shape): Value {
  const open = shape.indexOf(-1);
  const known = elementCount(shape.filter((size) => size !== -1));
  const resolved = shape.map((size, at) => (at === open ? elementCount(x.shape) / known : size));
  if (
    resolved.some((size) => !Number.isInteger(size)) ||
    elementCount(resolved) !== elementCount(x.shape)
  ) {
    throw shapeMismatch("reshape", "shapes hold different counts", x.shape, shape);
  }
  requireShape("reshape", resolved);
  if (sameShape(x.shape, resolved)) return x;
  return one(
    x.builder.emit("reshape", [x], { shape: resolved }, [{ dtype: x.dtype, shape: resolved }]),
  );
}

/** Axis `k` of the result is axis `permutation[k]` of `x`. */
export function transpose(x: Value, permutation: readonly number[]): Value {
  const axes = permutation.map((axis) => resolveAxis("transpose", axis, x.shape));
  if (axes.length !== x.shape.length || new Set(axes).size !== axes.length) {
    throw new InvalidArgumentError(
      "permutation",
      permutation,
      `transpose: ${shapeText(permutation)} is no permutation of the axes of ${shapeText(x.shape)}`,
    );
  }
  if (axes.every((axis, at) => axis === at)) return x;
  const shape = axes.map((axis) => x.shape[axis] ?? 1);
  return one(x.builder.emit("transpose", [x], { permutation: axes }, [{ dtype: x.dtype, shape }]));
}

/** Joins tensors that agree in all other axes. */
export function concat(parts: readonly Value[], axis: number): Value {
  const [first] = parts;
  if (first === undefined)
    throw new InvalidArgumentError("parts", parts, "concat: nothing to join");
  requireFloat("concat", ...parts);
  const at = resolveAxis("concat", axis, first.shape);
  let total = 0;
  for (const { shape } of parts) {
    if (!sameShape(shape.with(at, 0), first.shape.with(at, 0))) {
      throw shapeMismatch("concat", `shapes differ outside axis ${at}`, first.shape, shape);
    }
    total += shape[at] ?? 0;
  }
  const shape = first.shape.with(at, total);
  return one(first.builder.emit("concat", parts, { axis: at }, [{ dtype: "float32", shape }]));
}

/** Elements `begin` to `end` (exclusive) of one axis. */
export function slice(x: Value, axis: number, begin: number, end: number): Value {
  requireFloat("slice", x);
  const at = resolveAxis("slice", axis, x.shape);
  const size = x.shape[at] ?? 0;
  if (
    !Number.isInteger(begin) ||
    !Number.isInteger(end) ||
    begin < 0 ||
    end <= begin ||
    end > size
  ) {
    throw new InvalidArgumentError(
      "begin",
      [begin, end],
      `slice: [${begin}, ${end}) of axis ${at} of ${shapeText(x.shape)}`,
      { suggestions: [`use 0 <= begin < end <= ${size}`] },
    );
  }
  if (begin === 0 && end === size) return x;
  const shape = x.shape.with(at, end - begin);
  return one(x.builder.emit("slice", [x], { axis: at, begin, end }, [{ dtype: "float32", shape }]));
}

/** Zeros before and after along one axis. */
export function pad(x: Value, axis: number, before: number, after: number): Value {
  requireFloat("pad", x);
  const at = resolveAxis("pad", axis, x.shape);
  if (!Number.isInteger(before) || !Number.isInteger(after) || before < 0 || after < 0) {
    throw new InvalidArgumentError(
      "before",
      [before, after],
      `pad: ${before} before, ${after} after`,
    );
  }
  if (before + after === 0) return x;
  const shape = x.shape.with(at, (x.shape[at] ?? 0) + before + after);
  return one(
    x.builder.emit("pad", [x], { axis: at, before, after }, [{ dtype: "float32", shape }]),
  );
}

export interface ReduceOptions {
  /** Axes to sum over, negative from the end. Default: all. */
  readonly axes?: readonly number[];
  /** Keeps them with size 1. Default: false. */
  readonly keepDims?: boolean;
}

export function sum(x: Value, options: ReduceOptions = {}): Value {
  requireFloat("sum", x);
  const chosen = options.axes ?? x.shape.map((_, axis) => axis);
  const axes = [...new Set(chosen.map((axis) => resolveAxis("sum", axis, x.shape)))].sort(
    (a, b) => a - b,
  );
  const keepDims = options.keepDims ?? false;
  if (axes.length === 0) return x;
  const shape = keepDims
    ? x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : x.shape.filter((_, axis) => !axes.includes(axis));
  return one(x.builder.emit("sum", [x], { axes, keepDims }, [{ dtype: "float32", shape }]));
}

export function mean(x: Value, options: ReduceOptions = {}): Value {
  const total = sum(x, options);
  return scale(total, elementCount(total.shape) / elementCount(x.shape));
}

/** Repeats `x` to a shape to which it broadcasts. */
export function broadcast(x: Value, shape: Shape): Value {
  requireFloat("broadcast", x);
  if (!sameShape(broadcastShapes("broadcast", x.shape, shape), shape)) {
    throw shapeMismatch("broadcast", "does not broadcast to the shape", x.shape, shape);
  }
  if (sameShape(x.shape, shape)) return x;
  return one(x.builder.emit("broadcast", [x], { shape }, [{ dtype: "float32", shape }]));
}

/** Sums what broadcasting repeated: the adjoint of `broadcast`. */
export function sumTo(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  const extra = x.shape.length - shape.length;
  const axes = x.shape.flatMap((size, axis) =>
    axis < extra || (shape[axis - extra] === 1 && size !== 1) ? [axis] : [],
  );
  return reshape(sum(x, { axes }), shape);
}

/** Index of the first largest value of the last axis: int32. */
export function argmax(x: Value): Value {
  requireFloat("argmax", x);
  resolveAxis("argmax", -1, x.shape);
  return one(x.builder.emit("argmax", [x], {}, [{ dtype: "int32", shape: x.shape.slice(0, -1) }]));
}
