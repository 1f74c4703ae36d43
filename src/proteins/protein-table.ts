import { FormatError, NotFoundError } from "../../formats/common/errors.ts";
import { openTable } from "../../formats/table/open-table.ts";
import type { Cell } from "../../formats/table/table.ts";

export interface ProteinTableOptions {
  /** Default "sequences", else "sequence". */
  readonly sequenceColumn?: string;
  /** Column of the labels, or null to read none. */
  readonly labelColumn: string | null;
  /** Column of strings of 0 and 1, which tokens count in the loss. Default none. */
  readonly labelsMaskColumn?: string | undefined;
  /** Column of sample weights, finite and not negative. Default none. */
  readonly weightColumn?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A table of proteins in memory, one entry per row in every list. */
export interface ProteinTable {
  readonly path: string;
  readonly sequences: readonly string[];
  /** As stored, none missing; null without a label column. */
  readonly labels: readonly Exclude<Cell, null>[] | null;
  readonly labelsMask: readonly string[] | null;
  readonly weights: Float64Array | null;
  /** "line 12": where each row stands. */
  readonly places: readonly string[];
}

/**
 * Reads CSV, TSV, JSON lines or parquet with a column of sequences. Empty cells are missing; "NA" and
 * "None" are text, where pandas drops them.
 * @throws FormatError naming the line of a missing sequence or label, or of a weight that is none;
 *   NotFoundError "no-such-column".
 */
export async function readProteinTable(
  path: string,
  options: ProteinTableOptions,
): Promise<ProteinTable> {
  const table = await openTable(path);
  const sequenceColumn = options.sequenceColumn ?? sequenceColumnOf(path, table.columns);
  const { labelColumn, labelsMaskColumn, weightColumn } = options;
  const optional = [labelColumn, labelsMaskColumn, weightColumn];
  const names = optional.filter((name) => typeof name === "string");
  const sequences: string[] = [];
  const labels: Exclude<Cell, null>[] = [];
  const masks: string[] = [];
  const weights: number[] = [];
  const places: string[] = [];
  for await (const { place, cells } of table.rows([sequenceColumn, ...names], options.signal)) {
    const row = new Row(path, place, [...cells]);
    places.push(place);
    sequences.push(row.text(sequenceColumn));
    if (typeof labelColumn === "string") labels.push(row.present(labelColumn));
    if (labelsMaskColumn !== undefined) masks.push(row.mask(labelsMaskColumn));
    if (weightColumn !== undefined) weights.push(row.weight(weightColumn));
  }
  return {
    path,
    sequences,
    labels: labelColumn === null ? null : labels,
    labelsMask: labelsMaskColumn === undefined ? null : masks,
    weights: weightColumn === undefined ? null : Float64Array.from(weights),
    places,
  };
}

/** @throws NotFoundError "no-such-column" for a table without one of the names */
export function sequenceColumnOf(
  path: string,
  available: readonly string[],
  names: readonly string[] = ["sequences", "sequence"],
): string {
  const found = names.find((name) => available.includes(name));
  if (found !== undefined) return found;
  const message = `${path}: the table must contain a 'sequences' or 'sequence' column`;
  throw new NotFoundError("no-such-column", message, {
    what: "sequences",
    available,
    suggestions: ['name the column of residues "sequence"'],
  });
}

/** Cells of a row, taken one after the other in the order they were asked for. */
class Row {
  readonly #path: string;
  readonly #place: string;
  readonly #cells: Cell[];

  constructor(path: string, place: string, cells: Cell[]) {
    this.#path = path;
    this.#place = place;
    this.#cells = cells;
  }

  present(column: string): Exclude<Cell, null> {
    const cell = this.#cells.shift() ?? null;
    if (cell !== null) return cell;
    throw this.#error(column, "has no value");
  }

  text(column: string): string {
    const cell = this.present(column);
    if (typeof cell === "string") return cell;
    throw this.#error(column, `expected text, found ${shown(cell)}`);
  }

  /** Numbers too: a mask of digits alone is one in parquet and JSON. */
  mask(column: string): string {
    const cell = this.present(column);
    const text = Array.isArray(cell) ? cell.map(Number).join("") : String(cell);
    if (/^[01]*$/.test(text)) return text;
    throw this.#error(column, `expected a string of 0 and 1, found ${shown(cell)}`);
  }

  weight(column: string): number {
    const cell = this.present(column);
    const weight = typeof cell === "string" && cell.trim() === "" ? Number.NaN : Number(cell);
    if (weight >= 0 && weight < Number.POSITIVE_INFINITY) return weight;
    throw this.#error(column, `expected a finite weight of at least 0, found ${shown(cell)}`);
  }

  #error(column: string, problem: string): FormatError {
    const message = `${this.#place}, column ${JSON.stringify(column)}: ${problem}`;
    return new FormatError("bad-row", message, { path: this.#path });
  }
}

function shown(cell: Cell): string {
  const text = typeof cell === "bigint" ? String(cell) : (JSON.stringify(cell) ?? String(cell));
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}
