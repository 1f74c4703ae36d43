/** Operations on single elements, with numpy broadcasting where there are two operands. */
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { GeluApproximation, OpName } from "../op-attributes.ts";
import type { Shape, TensorDType, Value } from "../program.ts";
import { broadcastShapes, requireDType, requireFloat } from "../shape-checks.ts";
import { one } from "./one.ts";

type BinaryOp = Extract<OpName, "add" | "subtract" | "multiply" | "divide">;
type UnaryOp = Extract<OpName, "exp" | "log" | "tanh" | "relu">;

function binary(op: BinaryOp, a: Value, b: Value): Value {
  requireFloat(op, a, b);
  const shape = broadcastShapes(op, a.shape, b.shape);
  return one(a.builder.emit(op, [a, b], {}, [{ dtype: "float32", shape }]));
}

function unary(op: UnaryOp, x: Value): Value {
  requireFloat(op, x);
  return one(x.builder.emit(op, [x], {}, [x]));
}

export const add = (a: Value, b: Value): Value => binary("add", a, b);
export const subtract = (a: Value, b: Value): Value => binary("subtract", a, b);
export const multiply = (a: Value, b: Value): Value => binary("multiply", a, b);
export const divide = (a: Value, b: Value): Value => binary("divide", a, b);
export const exp = (x: Value): Value => unary("exp", x);
/** Natural logarithm. */
export const log = (x: Value): Value => unary("log", x);
export const tanh = (x: Value): Value => unary("tanh", x);
export const relu = (x: Value): Value => unary("relu", x);

/** `x * factor`. */
export function scale(x: Value, factor: number): Value {
  requireFloat("scale", x);
  if (factor === 1) return x;
  return one(x.builder.emit("scale", [x], { factor }, [x]));
}

/** GELU: exact by default, `"tanh"` for the approximation of the same name in torch. */
export function gelu(x: Value, approximation: GeluApproximation = "none"): Value {
  requireFloat("gelu", x);
  return one(x.builder.emit("gelu", [x], { approximation }, [x]));
}

/** Where two int32 tensors are equal: bool, broadcast. */
export function equal(a: Value, b: Value): Value {
  requireDType("equal", a, "int32", "a");
  requireDType("equal", b, "int32", "b");
  const shape = broadcastShapes("equal", a.shape, b.shape);
  return one(a.builder.emit("equal", [a, b], {}, [{ dtype: "bool", shape }]));
}

/** `a` where the condition holds, else `b`; all three broadcast. */
export function where(condition: Value, a: Value, b: Value): Value {
  requireDType("where", condition, "bool", "condition");
  requireFloat("where", a, b);
  const chosen: Shape = broadcastShapes("where", a.shape, b.shape);
  const shape = broadcastShapes("where", condition.shape, chosen);
  return one(a.builder.emit("where", [condition, a, b], {}, [{ dtype: "float32", shape }]));
}

/** The same values in another dtype; float32 to int32 truncates. No gradient flows through it. */
export function cast(x: Value, dtype: TensorDType): Value {
  if (x.dtype === dtype) return x;
  return one(x.builder.emit("cast", [x], { dtype }, [{ dtype, shape: x.shape }]));
}

/** A mask of kept positions for `dropout`; `layer` tells masks of one program apart. */
export function dropoutMask(near: Value, shape: Shape, rate: number, layer: number): Value {
  if (!(rate > 0 && rate < 1)) {
    throw new InvalidArgumentError("rate", rate, `dropout: a rate of ${rate}, not inside (0, 1)`, {
      suggestions: ["leave dropout away where the rate is 0"],
    });
  }
  if (!Number.isInteger(layer) || layer < 0 || layer >= 2 ** 31) {
    throw new InvalidArgumentError("layer", layer, `dropout: layer ${layer} is no whole number`);
  }
  return one(
    near.builder.emit("dropoutMask", [], { rate, layer, shape }, [{ dtype: "bool", shape }]),
  );
}

/**
 * Drops elements with probability `rate` and divides those kept by `1 - rate`. Rate 0 returns `x`.
 * The mask depends on (seed, step, microBatch) of the run and on `layer` alone: give every
 * dropout of a program its own number.
 */
export function dropout(x: Value, rate: number, layer: number): Value {
  requireFloat("dropout", x);
  if (rate === 0) return x;
  const mask = dropoutMask(x, x.shape, rate, layer);
  return one(x.builder.emit("dropout", [x, mask], { rate }, [x]));
}
