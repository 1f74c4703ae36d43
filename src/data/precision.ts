import { InvalidArgumentError } from "../../formats/common/errors.ts";

/** Element types that mixed-precision training computes in. */
export type AutocastDType = "float16" | "bfloat16" | "float32";

const DTYPE_OF = {
  fp16: "float16",
  bf16: "bfloat16",
  fp32: "float32",
  "16-mixed": "float16",
  "fp16-mixed": "float16",
  "bf16-mixed": "bfloat16",
  "fp32-mixed": "float32",
} as const;

/** The precision names of BioNeMo's configurations; 16 and 32 are numbers there. */
export type Precision = keyof typeof DTYPE_OF | 16 | 32;
export const PRECISIONS: readonly Precision[] = [
  // The keys of the table are the names.
  ...(Object.keys(DTYPE_OF) as (keyof typeof DTYPE_OF)[]),
  16,
  32,
];

/** The name that a configuration stores for an element type, as the original's reverse table. */
export const PRECISION_OF_DTYPE: Readonly<Record<AutocastDType, Precision>> = {
  float16: 16,
  bfloat16: "bf16-mixed",
  float32: 32,
};

/**
 * The element type of a precision name (`get_autocast_dtype` of bionemo-core). As there, the number
 * 32 is a precision and the text "32" is none.
 *
 * @throws InvalidArgumentError
 */
export function getAutocastDtype(precision: Precision): AutocastDType {
  if (precision === 16) return "float16";
  if (precision === 32) return "float32";
  if (typeof precision === "string" && Object.hasOwn(DTYPE_OF, precision)) {
    return DTYPE_OF[precision];
  }
  throw new InvalidArgumentError(
    "precision",
    precision,
    `Unsupported precision: ${JSON.stringify(precision)}, expected one of ${PRECISIONS.join(", ")}`,
  );
}
