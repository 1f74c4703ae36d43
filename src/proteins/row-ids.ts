import type { DatabaseSync, StatementSync } from "node:sqlite";

/** One rowid of this many is remembered. */
const STRIDE = 1024;

/**
 * Which rowid a row has. SQLite numbers rows from 1 as they are inserted, and then row + 1 it is;
 * after deletions there are gaps, and every 1,024th rowid is remembered.
 */
export class RowIds {
  readonly #anchors: Float64Array | null;
  readonly #after: StatementSync;
  readonly #between: StatementSync;

  private constructor(database: DatabaseSync, anchors: Float64Array | null) {
    this.#anchors = anchors;
    this.#after = database.prepare(
      "SELECT rowid AS row FROM protein WHERE rowid >= ? ORDER BY rowid LIMIT 1 OFFSET ?",
    );
    this.#between = database.prepare(
      "SELECT COUNT(*) AS count FROM protein WHERE rowid >= ? AND rowid < ?",
    );
  }

  /** `length` is the number of rows. Reads every rowid when they have gaps. */
  static read(database: DatabaseSync, length: number): RowIds {
    const ends = database
      .prepare("SELECT (SELECT MIN(rowid) FROM protein) AS first, MAX(rowid) AS last FROM protein")
      .get();
    if (length === 0 || (ends?.["first"] === 1 && ends["last"] === length)) {
      return new RowIds(database, null);
    }
    const anchors = new Float64Array(Math.ceil(length / STRIDE));
    let row = 0;
    for (const { row: rowId } of database
      .prepare("SELECT rowid AS row FROM protein ORDER BY rowid")
      .iterate()) {
      if (row % STRIDE === 0) anchors[row / STRIDE] = Number(rowId);
      row++;
    }
    return new RowIds(database, anchors);
  }

  /** The rowid of a row that exists. */
  idOf(row: number): number {
    if (this.#anchors === null) return row + 1;
    const anchor = this.#anchors[Math.floor(row / STRIDE)] ?? 0;
    const found = row % STRIDE === 0 ? undefined : this.#after.get(anchor, row % STRIDE);
    return found === undefined ? anchor : Number(found["row"]);
  }

  /** The row of a rowid that exists. */
  rowOf(rowId: number): number {
    const anchors = this.#anchors;
    if (anchors === null) return rowId - 1;
    let low = 0;
    let high = anchors.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((anchors[middle] ?? 0) <= rowId) low = middle;
      else high = middle;
    }
    const found = this.#between.get(anchors[low] ?? 0, rowId);
    return low * STRIDE + Number(found?.["count"]);
  }
}
