/**
 * The number that ranks a gene of a cell: its count as a share of the cell's, times 10,000, over the
 * gene's median; rounded step by step as the originals round.
 */
import type { ScdlDType } from "../../formats/common/dtype.ts";
import { float16Table, toFloat16Bits } from "../../formats/common/float16.ts";
import { pairwiseSum32, pairwiseSum64 } from "./pairwise-sum.ts";

/** What the counts of a cell are made to sum to. */
export const TARGET_SUM = 10_000;

/** In which type the share of a value is computed; the division by the median is float64 always. */
export type ShareType = "float16" | "float32" | "float64";

/**
 * Whose rounding: `bionemo` and `dense` divide by sum and median, `sparse` multiplies by their
 * reciprocals, as scipy divides a sparse matrix by a dense one.
 */
export type RankArithmetic = "bionemo" | "sparse" | "dense";

/** The sum of the first n values in numpy's order and type for values stored as `dtype`. */
export function numpySum(values: Float64Array, n: number, dtype: ScdlDType): number {
  if (dtype === "float32") return pairwiseSum32(values, 0, n);
  if (dtype === "float16") return toFloat16(pairwiseSum32(values, 0, n));
  // Integers are exact below 2^53, in any order.
  return pairwiseSum64(values, 0, n);
}

/** How the originals round for these types; numpy: narrow values with float32 counts stay float32. */
export function rankRounding(
  arithmetic: RankArithmetic,
  data: ScdlDType,
  nCounts: "float32" | "float64",
): RankRounding {
  const isSingleSum = nCounts === "float32";
  if (arithmetic === "bionemo") {
    const share = data === "float32" || data === "float16" ? data : "float64";
    return { arithmetic, share, isSingleSum };
  }
  const isNarrow = data !== "uint32" && data !== "uint64" && data !== "float64";
  return { arithmetic, share: isSingleSum && isNarrow ? "float32" : "float64", isSingleSum };
}

export interface RankRounding {
  readonly arithmetic: RankArithmetic;
  readonly share: ShareType;
  /** Whether 1 / sum is rounded to float32; for "sparse". */
  readonly isSingleSum: boolean;
}

/** Turns the first n `keys` from values into what they are ranked by. */
export function rankValues(
  keys: Float64Array,
  scales: Float64Array,
  n: number,
  sum: number,
  rounding: RankRounding,
): void {
  const { share } = rounding;
  const { fround } = Math;
  if (rounding.arithmetic === "sparse") {
    multiply(keys, scales, n, rounding.isSingleSum ? fround(1 / sum) : 1 / sum, share);
  } else if (share === "float64") {
    for (let i = 0; i < n; i++) {
      keys[i] = (((keys[i] as number) / sum) * TARGET_SUM) / (scales[i] as number);
    }
  } else if (share === "float32") {
    for (let i = 0; i < n; i++) {
      const value = fround(fround((keys[i] as number) / sum) * TARGET_SUM);
      keys[i] = value / (scales[i] as number);
    }
  } else {
    for (let i = 0; i < n; i++) {
      const value = toFloat16(toFloat16((keys[i] as number) / sum) * TARGET_SUM);
      keys[i] = value / (scales[i] as number);
    }
  }
}

function multiply(
  keys: Float64Array,
  scales: Float64Array,
  n: number,
  factor: number,
  share: ShareType,
): void {
  if (share === "float64") {
    for (let i = 0; i < n; i++) {
      keys[i] = (keys[i] as number) * factor * TARGET_SUM * (scales[i] as number);
    }
    return;
  }
  const { fround } = Math;
  for (let i = 0; i < n; i++) {
    const value = fround(fround((keys[i] as number) * factor) * TARGET_SUM);
    keys[i] = value * (scales[i] as number);
  }
}

/** The nearest float16, by way of float32 as numpy computes. */
function toFloat16(value: number): number {
  return float16Table()[toFloat16Bits(Math.fround(value))] as number;
}
