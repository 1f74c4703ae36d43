import { IncompatibleError, InvalidArgumentError } from "../../formats/common/errors.ts";
import type { Shape, TensorDType, TensorType, Value } from "./program.ts";

export function shapeText(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Two tensors whose shapes do not go together; the message names the operation and both shapes. */
export function shapeMismatch(op: string, what: string, a: Shape, b: Shape): IncompatibleError {
  return new IncompatibleError(
    "shape-mismatch",
    `${op}: ${what}: ${shapeText(a)} and ${shapeText(b)}`,
    { suggestions: [`make the shapes agree before ${op}`] },
  );
}

export function requireDType(
  op: string,
  value: TensorType,
  dtype: TensorDType,
  name: string,
): void {
  if (value.dtype === dtype) return;
  throw new IncompatibleError(
    "dtype-mismatch",
    `${op}: ${name} must be ${dtype}, but ${shapeText(value.shape)} is ${value.dtype}`,
    { suggestions: [`cast it with cast(value, "${dtype}")`] },
  );
}

export function requireFloat(op: string, ...values: readonly TensorType[]): void {
  for (const [at, value] of values.entries()) requireDType(op, value, "float32", `input ${at}`);
}

export function requireRank(op: string, value: TensorType, rank: number, name: string): void {
  if (value.shape.length === rank) return;
  throw new IncompatibleError(
    "shape-mismatch",
    `${op}: ${name} must have ${rank} dimensions, found ${shapeText(value.shape)}`,
  );
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** The shape of a numpy broadcast, aligned at the last axis. */
export function broadcastShapes(op: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const x = a[a.length - rank + axis] ?? 1;
    const y = b[b.length - rank + axis] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw shapeMismatch(op, "shapes do not broadcast", a, b);
    shape.push(x === 1 ? y : x);
  }
  return shape;
}

/** An axis counted from the end when negative, as a number in [0, rank). */
export function resolveAxis(op: string, axis: number, shape: Shape): number {
  const resolved = axis < 0 ? axis + shape.length : axis;
  if (Number.isInteger(axis) && resolved >= 0 && resolved < shape.length) return resolved;
  throw new InvalidArgumentError(
    "axis",
    axis,
    `${op}: axis ${axis} of a tensor of shape ${shapeText(shape)}`,
    { suggestions: [`use ${-shape.length} to ${shape.length - 1}`] },
  );
}

/** Sizes of a tensor: whole numbers, at least 1 (an empty tensor has no use in a program). */
export function requireShape(what: string, shape: Shape): void {
  for (const size of shape) {
    if (Number.isSafeInteger(size) && size >= 1) continue;
    throw new InvalidArgumentError(
      "shape",
      shape,
      `${what}: sizes must be whole numbers of at least 1, found ${shapeText(shape)}`,
    );
  }
}

/** Values of one operation must belong to one program. */
export function requireOneProgram(op: string, values: readonly Value[]): void {
  const first = values[0];
  for (const value of values) {
    if (value.builder === first?.builder) continue;
    throw new InvalidArgumentError("inputs", op, `${op}: the inputs belong to different programs`);
  }
}
