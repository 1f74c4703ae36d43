import { allocate, type DType } from "../../formats/common/dtype.ts";
import { IncompatibleError, InvalidArgumentError } from "../../formats/common/errors.ts";
import type { NdArray } from "../../formats/npy/npy-array.ts";

/** Makes a batch of its items. */
export type SampleCollate = (items: readonly unknown[]) => unknown;

/**
 * webdataset's default: a list of tuples becomes a tuple of columns. Numbers become a Float64Array,
 * arrays of one type and shape an array with one axis more, everything else a list.
 * @throws InvalidArgumentError when the items are no tuples; IncompatibleError when arrays of a
 *   column differ in type or shape.
 */
export function collateColumns(items: readonly unknown[]): unknown[] {
  const first = items[0];
  if (!Array.isArray(first)) {
    throw new InvalidArgumentError("items", first, "batched: expected tuples to make columns of", {
      suggestions: ["call toTuple or extractKeys first, or pass collate"],
    });
  }
  return first.map((_, column) => {
    const values = items.map((item) =>
      Array.isArray(item) ? (item[column] as unknown) : undefined,
    );
    return combined(values);
  });
}

function combined(values: readonly unknown[]): unknown {
  const [first] = values;
  if (typeof first === "number" && values.every((value) => typeof value === "number")) {
    return Float64Array.from(values);
  }
  if (isNdArray(first)) return stacked(first, values);
  return values;
}

function stacked(first: NdArray, values: readonly unknown[]): NdArray {
  const { dtype, shape } = first;
  const length = first.data.length;
  const stored: DType = dtype === "bool" ? "uint8" : dtype;
  const data = allocate(stored, values.length * length);
  for (const [i, value] of values.entries()) {
    if (!isNdArray(value) || value.dtype !== dtype || String(value.shape) !== String(shape)) {
      const found = isNdArray(value) ? `${value.dtype} (${value.shape.join(", ")})` : typeof value;
      throw new IncompatibleError(
        "shape-mismatch",
        `batched: item 0 is ${dtype} (${shape.join(", ")}), item ${i} is ${found}`,
        { suggestions: ["pass a collate function that pads, or collate: null for lists"] },
      );
    }
    // Same dtype, so the same kind of array.
    data.set(value.data as never, i * length);
  }
  return { dtype, shape: [values.length, ...shape], data } as NdArray;
}

function isNdArray(value: unknown): value is NdArray {
  return (
    typeof value === "object" &&
    value !== null &&
    "dtype" in value &&
    value.dtype !== "str" &&
    "shape" in value &&
    Array.isArray(value.shape) &&
    "data" in value &&
    ArrayBuffer.isView(value.data)
  );
}
