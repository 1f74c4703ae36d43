/** Arrow tables as the short descriptions of a report. */
import * as arrow from "apache-arrow";
import type { ColumnSummary } from "./report.ts";

const EXAMPLES = 3;
export const EXAMPLE_ROWS = 200;

/** Columns of the first rows of obs or var, in their order. */
export function summarizeColumns(table: arrow.Table): ColumnSummary[] {
  return table.schema.fields.map((field, at) => ({
    name: field.name,
    type: typeName(field.type),
    examples: examplesOf(table.getChildAt(at)),
  }));
}

/** numpy's and pandas' words for Arrow types. */
export function typeName(type: arrow.DataType): string {
  if (arrow.DataType.isDictionary(type)) {
    return `${type.isOrdered ? "ordered " : ""}categorical of ${typeName(type.dictionary)}`;
  }
  if (arrow.DataType.isUtf8(type) || arrow.DataType.isLargeUtf8(type)) return "string";
  if (arrow.DataType.isBool(type)) return "bool";
  return String(type).toLowerCase();
}

function examplesOf(column: arrow.Vector | null): (string | number | boolean)[] {
  const found = new Set<string | number | boolean>();
  for (let row = 0; column !== null && row < column.length && found.size < EXAMPLES; row++) {
    const value = plainValue(column.get(row));
    if (value !== null) found.add(value);
  }
  return [...found];
}

/** A cell of a table as JSON can hold it; big integers that a number cannot hold become text. */
export function plainValue(value: unknown): string | number | boolean | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "string" || typeof value === "boolean") return value;
  return String(value);
}
