import type { Cell } from "../../formats/table/table.ts";
import type { Label } from "./label-map.ts";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
/** What pandas reads as truth values. */
const BOOLEAN = /^(true|false|True|False|TRUE|FALSE)$/;

/** The number a cell holds, as a number or as text; null for anything else. */
export function numberOf(cell: Cell): number | null {
  if (typeof cell === "number") return cell;
  if (typeof cell === "bigint") return Number(cell);
  if (typeof cell === "string" && NUMBER.test(cell.trim())) return Number(cell);
  return null;
}

/**
 * The classes of a column as pandas would type it: numbers when every label is one, so that "01" and "1"
 * are one class, "True" and "False" when every label is a truth value, else text.
 * @param error makes what is thrown for a label that is a list or an object.
 */
export function columnLabels(
  cells: readonly Exclude<Cell, null>[],
  error: (index: number, problem: string) => Error,
): Label[] {
  const numbers = cells.map(numberOf);
  if (numbers.every((number) => number !== null)) return numbers;
  const isTruth = cells.every((cell) => typeof cell === "boolean" || BOOLEAN.test(String(cell)));
  return cells.map((cell, i) => {
    if (typeof cell === "object") throw error(i, "expected one value as label, found a list");
    if (isTruth) return /^t/i.test(String(cell)) ? "True" : "False";
    return typeof cell === "boolean" ? (cell ? "True" : "False") : String(cell);
  });
}
