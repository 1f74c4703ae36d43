/** Products of matrices, look-ups, normalisation: what has weights. */
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { Value } from "../program.ts";
import {
  requireDType,
  requireFloat,
  requireRank,
  sameShape,
  shapeMismatch,
  shapeText,
} from "../shape-checks.ts";
import { one } from "./one.ts";
import { concat, pad, reshape, slice, transpose } from "./shape.ts";

export interface MatmulOptions {
  /** Swap the last two axes of `a`. Default: false. */
  readonly transposeA?: boolean;
  /** Swap the last two axes of `b`. Default: false. */
  readonly transposeB?: boolean;
  /** The product is multiplied by this. Default: 1. */
  readonly factor?: number;
}

/** Product of matrices; leading axes are a batch and must be equal. */
export function matmul(a: Value, b: Value, options: MatmulOptions = {}): Value {
  const { transposeA = false, transposeB = false, factor = 1 } = options;
  requireFloat("matmul", a, b);
  const [x, y] = [a.shape, b.shape];
  if (x.length < 2 || x.length !== y.length || !sameShape(x.slice(0, -2), y.slice(0, -2))) {
    throw shapeMismatch("matmul", "leading axes differ", x, y);
  }
  const [rows, inner] = transposeA ? [x.at(-1), x.at(-2)] : [x.at(-2), x.at(-1)];
  const [innerB, columns] = transposeB ? [y.at(-1), y.at(-2)] : [y.at(-2), y.at(-1)];
  if (inner !== innerB) {
    const how = `${transposeA ? "transposed " : ""}a by ${transposeB ? "transposed " : ""}b`;
    throw shapeMismatch("matmul", `inner sizes of ${how} differ`, x, y);
  }
  const shape = [...x.slice(0, -2), rows ?? 1, columns ?? 1];
  const attributes = { transposeA, transposeB, factor };
  return one(a.builder.emit("matmul", [a, b], attributes, [{ dtype: "float32", shape }]));
}

/** `x[..., in] · weightᵀ + bias` with torch's layout: weight [out, in], bias [out]. */
export function linear(x: Value, weight: Value, bias?: Value): Value {
  requireFloat("linear", x, weight);
  requireRank("linear", weight, 2, "weight");
  const [out = 1, inner = 1] = weight.shape;
  if (x.shape.length < 1 || x.shape.at(-1) !== inner) {
    throw shapeMismatch("linear", "input and weight [out, in] differ", x.shape, weight.shape);
  }
  if (bias !== undefined) {
    requireFloat("linear", bias);
    if (!sameShape(bias.shape, [out])) {
      throw shapeMismatch("linear", "bias and weight [out, in] differ", bias.shape, weight.shape);
    }
  }
  const inputs = bias === undefined ? [x, weight] : [x, weight, bias];
  const shape = x.shape.with(-1, out);
  return one(x.builder.emit("linear", inputs, {}, [{ dtype: "float32", shape }]));
}

/**
 * Rows of `table` [rows, d] by int32 `ids` [...]: [..., d]. Also gathers rows of any matrix, e.g. the
 * hidden states at loss positions. Ids outside the table are the caller's fault: executors refuse
 * them before they run where they can (see `Executor`).
 */
export function embedding(table: Value, ids: Value): Value {
  requireFloat("embedding", table);
  requireRank("embedding", table, 2, "table");
  requireDType("embedding", ids, "int32", "ids");
  const shape = [...ids.shape, table.shape[1] ?? 1];
  return one(table.builder.emit("embedding", [table, ids], {}, [{ dtype: "float32", shape }]));
}

/** Rows of `x` [n, d] at int32 `rows` [k]: [k, d]. */
export const gatherRows = (x: Value, rows: Value): Value => embedding(x, rows);

/** Layer norm over the last axis with weight and bias [d]. */
export function layerNorm(x: Value, weight: Value, bias: Value, epsilon = 1e-5): Value {
  requireFloat("layerNorm", x, weight, bias);
  const size = x.shape.slice(-1);
  for (const given of [weight, bias]) {
    if (size.length === 1 && sameShape(given.shape, size)) continue;
    throw shapeMismatch("layerNorm", "input and weight or bias differ", x.shape, given.shape);
  }
  if (!(epsilon > 0)) {
    throw new InvalidArgumentError(
      "epsilon",
      epsilon,
      `layerNorm: epsilon ${epsilon} is not positive`,
    );
  }
  return one(x.builder.emit("layerNorm", [x, weight, bias], { epsilon }, [x]));
}

/**
 * Convolution over the length: x [batch, length, in], weight [out, in, width] as in torch, bias [out],
 * zeros as padding on both sides: [batch, length + 2 * padding - width + 1, out].
 */
export function conv1d(x: Value, weight: Value, bias: Value | undefined, padding = 0): Value {
  requireFloat("conv1d", x, weight);
  requireRank("conv1d", x, 3, "input");
  requireRank("conv1d", weight, 3, "weight");
  const [out = 1, inner = 1, width = 1] = weight.shape;
  if (x.shape[2] !== inner) {
    throw shapeMismatch(
      "conv1d",
      "input [batch, length, in] and weight [out, in, width] differ",
      x.shape,
      weight.shape,
    );
  }
  const padded = pad(x, 1, padding, padding);
  const length = (padded.shape[1] ?? 1) - width + 1;
  if (length < 1) {
    throw new InvalidArgumentError(
      "padding",
      padding,
      `conv1d: a width of ${width} on ${shapeText(x.shape)} with padding ${padding} leaves nothing`,
    );
  }
  // Windows side by side in the last axis: the convolution is one matrix product.
  const windows = Array.from({ length: width }, (_, at) => slice(padded, 1, at, at + length));
  const flat = reshape(transpose(weight, [0, 2, 1]), [out, width * inner]);
  return linear(concat(windows, 2), flat, bias);
}
