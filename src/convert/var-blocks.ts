import type * as arrow from "apache-arrow";

/**
 * Whether two var frames are one block to the original: the same column names and equal values.
 * A missing value equals nothing, as NaN in numpy, so frames with one are never merged.
 */
export function isSameVar(a: arrow.Table, b: arrow.Table): boolean {
  if (a.numRows !== b.numRows || a.numCols !== b.numCols) return false;
  return a.schema.fields.every(({ name }) => {
    const left = a.getChild(name);
    const right = b.getChild(name);
    if (left === null || right === null) return false;
    if (left.nullCount > 0 || right.nullCount > 0) return false;
    for (let row = 0; row < a.numRows; row++) {
      if (!isEqual(left.get(row), right.get(row))) return false;
    }
    return true;
  });
}

function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  const isNumber = (value: unknown) => typeof value === "number" || typeof value === "bigint";
  // int32 1 and int64 1n are equal to numpy.
  // biome-ignore lint/suspicious/noDoubleEquals: the one comparison that mixes number and bigint
  return isNumber(a) && isNumber(b) && a == b;
}

/** Whether two obs frames become one block: the same column names, in any order. */
export function haveSameColumns(a: arrow.Schema, b: arrow.Schema): boolean {
  const names = new Set(a.fields.map(({ name }) => name));
  return names.size === b.fields.length && b.fields.every(({ name }) => names.has(name));
}
