import { InvalidArgumentError } from "../../formats/common/errors.ts";

/**
 * The rows of a batch as batches of at most `size` rows, in order; the arrays are views.
 *
 * Such a batch has `shape: [rows, ...]`; of its typed arrays every one whose length is a multiple of
 * the rows is divided, `padding` (rows at the end that only fill up) too, anything else is shared.
 *
 * @throws InvalidArgumentError for a batch without `shape` that has to be divided.
 */
export function microBatches<B>(batch: B, size: number): readonly B[] {
  const rows = rowsOf(batch);
  if (rows <= size) return [batch];
  const parts: B[] = [];
  for (let begin = 0; begin < rows; begin += size) {
    parts.push(slice(batch, rows, begin, Math.min(begin + size, rows)));
  }
  return parts;
}

/** Whether a batch says that it has no rows: a rank's part of a last batch with fewer rows than ranks. */
export function isEmptyBatch(batch: unknown): boolean {
  const shape = typeof batch === "object" && batch !== null && "shape" in batch ? batch.shape : [];
  return Array.isArray(shape) && shape[0] === 0;
}

/** Rows of a batch: the first number of its `shape`. @throws InvalidArgumentError without one */
export function rowsOf(batch: unknown): number {
  const shape = typeof batch === "object" && batch !== null && "shape" in batch ? batch.shape : [];
  const rows: unknown = Array.isArray(shape) ? shape[0] : undefined;
  if (typeof rows === "number" && Number.isSafeInteger(rows) && rows > 0) return rows;
  throw new InvalidArgumentError("batch", batch, "the batch has no shape: [rows, ...]", {
    suggestions: ["give the trainer `divide`, which divides your batches into micro-batches"],
  });
}

function slice<B>(batch: B, rows: number, begin: number, end: number): B {
  const part: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(batch as object)) {
    part[name] = value;
    if (isTypedArray(value) && value.length % rows === 0) {
      const each = value.length / rows;
      part[name] = value.subarray(begin * each, end * each);
    } else if (name === "shape" && Array.isArray(value)) {
      part[name] = [end - begin, ...value.slice(1)];
    } else if (name === "padding" && typeof value === "number") {
      part[name] = Math.max(0, end - Math.max(begin, rows - value));
    }
  }
  // proof: the same fields with values of the same types
  return part as B;
}

type AnyTypedArray = Exclude<NodeJS.TypedArray, BigInt64Array | BigUint64Array>;

function isTypedArray(value: unknown): value is AnyTypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}
