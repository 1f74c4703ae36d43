import type { TensorType, Value } from "../program.ts";
import {
  requireDType,
  requireFloat,
  requireRank,
  sameShape,
  shapeMismatch,
} from "../shape-checks.ts";
import { multiply, subtract } from "./elementwise.ts";
import { sum } from "./shape.ts";

export interface CrossEntropyOptions {
  /** Labels of this value have no weight. Default: -100. */
  readonly ignoreIndex?: number;
  /** float32 [n]: weight of every label. Default: 1. */
  readonly weights?: Value;
}

/** Sum and weight of a loss: the mean over micro-batches and ranks is the ratio of their totals. */
export interface LossSum {
  /** float32 [] */
  readonly sum: Value;
  /** float32 []; constant for the gradient. */
  readonly count: Value;
}

/** Negative log likelihood of int32 labels [n] under softmax(logits [n, classes]). */
export function crossEntropy(
  logits: Value,
  labels: Value,
  options: CrossEntropyOptions = {},
): LossSum {
  requireFloat("crossEntropy", logits);
  requireRank("crossEntropy", logits, 2, "logits");
  requireDType("crossEntropy", labels, "int32", "labels");
  const { ignoreIndex = -100, weights } = options;
  for (const given of weights === undefined ? [labels] : [labels, weights]) {
    if (sameShape(given.shape, logits.shape.slice(0, 1))) continue;
    throw shapeMismatch(
      "crossEntropy",
      "logits [n, classes] and labels or weights [n] differ",
      logits.shape,
      given.shape,
    );
  }
  if (weights !== undefined) requireFloat("crossEntropy", weights);
  const inputs = weights === undefined ? [logits, labels] : [logits, labels, weights];
  const scalar: TensorType = { dtype: "float32", shape: [] };
  const outputs = logits.builder.emit("crossEntropy", inputs, { ignoreIndex }, [scalar, scalar]);
  const [total, count] = outputs as readonly [Value, Value]; // proof: two outputs were asked for
  return { sum: total, count };
}

/** Sum of squared differences; divide by the count of elements for torch's mean. */
export function squaredError(prediction: Value, target: Value): Value {
  if (!sameShape(prediction.shape, target.shape)) {
    throw shapeMismatch(
      "squaredError",
      "prediction and target differ",
      prediction.shape,
      target.shape,
    );
  }
  const difference = subtract(prediction, target);
  return sum(multiply(difference, difference));
}
