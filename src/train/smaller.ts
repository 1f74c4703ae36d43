/** What to make smaller when a run does not fit into memory. */
import type { ParameterSpec } from "../models/index.ts";

/** Values, gradients and both moments, in float32. */
const BYTES_OF_PARAMETER = 16;

export function smallerSteps(microBatchSize: number | undefined): readonly string[] {
  const now = microBatchSize === undefined ? "" : ` (it is ${microBatchSize})`;
  const smaller =
    microBatchSize === 1
      ? []
      : [
          `a smaller --micro-batch-size${now}, with a larger --accumulate-grad-batches for the same update`,
        ];
  return [
    ...smaller,
    "shorter rows (--max-seq-length, --seq-length), or packed ones, which have no padding: packedRows()",
    "--precision bf16-mixed on torch-cpu and cuda: what the backward pass needs is half as large",
  ];
}

export function smallerModel(parameters: readonly ParameterSpec[]): readonly string[] {
  const trained = parameters.filter((one) => one.trained);
  const count = trained.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const size = memoryText(count * BYTES_OF_PARAMETER);
  return [
    `a smaller model, or a larger device: weights, gradients and moments of this one take ${size}`,
  ];
}

/** E.g. "1.5 GiB", "24 GiB", "3.0 TiB". */
export function memoryText(bytes: number): string {
  const [unit, size] = bytes < 2 ** 40 ? (["GiB", 2 ** 30] as const) : (["TiB", 2 ** 40] as const);
  const value = bytes / size;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}
