/** float32 values to and from the element types that hold floats. */
import { bfloat16ToFloat32, float32ToBfloat16 } from "../common/bfloat16.ts";
import { InvalidArgumentError } from "../common/errors.ts";
import { float16ToFloat32, toFloat16Bits } from "../common/float16.ts";
import type { StoredTensor } from "./tensor.ts";

export type FloatStoredDType = "F64" | "F32" | "F16" | "BF16";

/** Fills `target` from the raw elements at the start of `buffer`. */
export function widenInto(
  dtype: Exclude<FloatStoredDType, "F32">,
  buffer: ArrayBuffer,
  target: Float32Array,
): void {
  if (dtype === "F64") target.set(new Float64Array(buffer, 0, target.length));
  else if (dtype === "F16") float16ToFloat32(new Uint16Array(buffer, 0, target.length), target);
  else bfloat16ToFloat32(new Uint16Array(buffer, 0, target.length), target);
}

/** float32 values as a tensor of `dtype`; F16 and BF16 round to nearest even. F32 shares `values`. */
export function floatTensor(
  dtype: FloatStoredDType,
  shape: readonly number[],
  values: Float32Array,
): StoredTensor {
  switch (dtype) {
    case "F32":
      return { dtype, shape, data: values };
    case "F64":
      return { dtype, shape, data: Float64Array.from(values) };
    case "F16":
      return { dtype, shape, data: Uint16Array.from(values, toFloat16Bits) };
    case "BF16": {
      const data = new Uint16Array(values.length);
      float32ToBfloat16(values, data);
      return { dtype, shape, data };
    }
    default:
      throw new InvalidArgumentError("dtype", dtype satisfies never, "expected a float type");
  }
}

/** The values of a float tensor as float32; that of F32 itself, else a new array. */
export function float32Values(tensor: StoredTensor): Float32Array {
  if (tensor.dtype === "F32") return tensor.data;
  const values = new Float32Array(tensor.data.length);
  if (tensor.dtype === "F64") values.set(tensor.data);
  else if (tensor.dtype === "F16") float16ToFloat32(tensor.data, values);
  else if (tensor.dtype === "BF16") bfloat16ToFloat32(tensor.data, values);
  else {
    throw new InvalidArgumentError(
      "tensor",
      tensor.dtype,
      `expected a tensor of floats, found ${tensor.dtype}`,
    );
  }
  return values;
}
