/**
 * Tables of a few columns as rows, whatever file they are in: CSV, TSV, JSON lines, parquet. One row
 * at a time; every row knows its place in the file.
 */

/** A cell as its file holds it: text in CSV, any JSON value, Arrow's values; null where missing. */
export type Cell = string | number | bigint | boolean | null | readonly unknown[] | object;

export interface TableRow {
  /** "line 12", "row 12": for errors. */
  readonly place: string;
  /** In the order of the columns asked for. */
  readonly cells: readonly Cell[];
}

export interface Table {
  readonly path: string;
  readonly columns: readonly string[];
  /** @throws FormatError for a damaged row, NotFoundError "no-such-column". */
  rows(columns: readonly string[], signal?: AbortSignal): AsyncGenerator<TableRow>;
}
