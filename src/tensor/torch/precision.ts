import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { DTypes } from "./libtorch.ts";

/** Of products and attention; weights, sums, normalisation and losses are float32 with all of them. */
export const PRECISIONS = ["32", "bf16-mixed", "16-mixed"] as const;
export type Precision = (typeof PRECISIONS)[number];

/** @throws InvalidArgumentError for another name */
export function precisionOf(name: string): Precision {
  const found = PRECISIONS.find((precision) => precision === name);
  if (found !== undefined) return found;
  throw new InvalidArgumentError("precision", name, `precision ${name}: there is no such`, {
    suggestions: [`use one of ${PRECISIONS.join(", ")}`],
  });
}

/** The dtype of products in a mixed run; null where it is float32. */
export function lowDType(precision: Precision, dtypes: DTypes): number | null {
  if (precision === "32") return null;
  return precision === "bf16-mixed" ? dtypes.bfloat16 : dtypes.float16;
}
