/** What models with a head in place of the vocabulary's have in common. */
import { IncompatibleError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { Label } from "../../proteins/label-map.ts";
import type { ProteinBatch } from "../../proteins/protein-collate.ts";
import { multiply, type RunInputs, subtract, sum, type Value } from "../../tensor/index.ts";
import type { Backbone } from "../backbone.ts";
import type { BatchSize, ParameterSpec } from "../model.ts";
import type { MaskedBatch } from "../token-batch.ts";

/** Tokens with labels: one a row, or one a token. */
export type LabelledBatch = Pick<
  ProteinBatch,
  "text" | "attentionMask" | "labels" | "lossMask" | "shape"
>;

/** Parameters of the backbone and of the head behind it. */
export function fineTunedParameters(
  backbone: Backbone,
  head: readonly ParameterSpec[],
  isFrozen: boolean,
): readonly ParameterSpec[] {
  const trunk = backbone.trunkParameters;
  return [...(isFrozen ? trunk.map((spec) => ({ ...spec, trained: false })) : trunk), ...head];
}

/** The size of a batch; no vocabulary, no loss positions. */
export function labelledSize(backbone: Backbone, batch: LabelledBatch): BatchSize {
  const { batch: rows, length } = backbone.sizeOf(tokensOf(batch));
  return { batch: rows, length };
}

/** The tokens as inputs of the backbone. */
export function backboneInputs(
  backbone: Backbone,
  batch: LabelledBatch,
  size: BatchSize,
): RunInputs {
  return backbone.inputs(tokensOf(batch), size, "predict");
}

function tokensOf({ text, attentionMask, lossMask, shape }: LabelledBatch): MaskedBatch {
  return { text, attentionMask, lossMask, shape, labels: text };
}

/** @throws InvalidArgumentError for more classes than the head gives out */
export function requireRoomForLabels(
  model: string,
  labels: readonly Label[] | null,
  outputs: number,
): void {
  if (labels === null || labels.length <= outputs) return;
  const message = `${model}: ${labels.length} classes for a head of ${outputs} outputs`;
  throw new InvalidArgumentError("labels", labels.length, message, {
    suggestions: ["leave out the size: it is the number of classes then"],
  });
}

export function wrongLabels(model: string, expected: string, found: string): IncompatibleError {
  return new IncompatibleError("wrong-labels", `${model}: expected ${expected}, found ${found}`, {
    suggestions: ["check the task and the labels of the data set"],
  });
}

/** Sums that Pearson's correlation of outputs and targets is made of, both less `mean`. */
export function momentsAround(
  mean: number,
  output: Value,
  target: Value,
): Readonly<Record<string, Value>> {
  const { builder } = output;
  const about = builder.constant("float32", [], Float32Array.of(mean));
  const [x, y] = [subtract(output, about), subtract(target, about)];
  return {
    sum_x: sum(x),
    sum_y: sum(y),
    sum_xx: sum(multiply(x, x)),
    sum_yy: sum(multiply(y, y)),
    sum_xy: sum(multiply(x, y)),
  };
}

/** Null where one side does not vary. */
function pearson(sums: Readonly<Record<string, number>>, count: number): number | null {
  const { sum_x: x, sum_y: y, sum_xx: xx, sum_yy: yy, sum_xy: xy } = sums;
  if (x === undefined || y === undefined) return null;
  const [varX, varY] = [(xx ?? 0) - x ** 2 / count, (yy ?? 0) - y ** 2 / count];
  const scale = Math.sqrt(varX * varY);
  if (!(varX > 0 && scale > 0)) return null;
  return Math.max(-1, Math.min(1, ((xy ?? 0) - (x * y) / count) / scale));
}

/** `loss` the mean; `accuracy` where `correct` was counted; `mse` and `pearson` of a regression. */
export function fineTuningMetrics(
  sums: Readonly<Record<string, number>>,
  count: number,
): Readonly<Record<string, number>> {
  const { loss, correct } = sums;
  const correlation = pearson(sums, count);
  return {
    ...(loss === undefined ? {} : { loss: loss / count }),
    ...(loss === undefined || !("sum_x" in sums) ? {} : { mse: loss / count }),
    ...(correlation === null ? {} : { pearson: correlation }),
    ...(correct === undefined ? {} : { accuracy: correct / count }),
  };
}
