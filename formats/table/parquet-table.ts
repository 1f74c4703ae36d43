import { Vector } from "apache-arrow";
import { ParquetFile } from "../parquet/parquet-file.ts";
import { positionsOf } from "./columns.ts";
import type { Cell, Table, TableRow } from "./table.ts";

/** A parquet file, row group by row group. */
export class ParquetTable implements Table {
  readonly path: string;
  readonly columns: readonly string[];
  readonly #file: ParquetFile;

  private constructor(file: ParquetFile) {
    this.path = file.path;
    this.columns = file.columns;
    this.#file = file;
  }

  static async open(path: string): Promise<ParquetTable> {
    return new ParquetTable(ParquetFile.open(path));
  }

  async *rows(columns: readonly string[], signal?: AbortSignal): AsyncGenerator<TableRow> {
    positionsOf(this, columns);
    let row = 0;
    for await (const batch of this.#file.batches({ columns: [...new Set(columns)] })) {
      signal?.throwIfAborted();
      const vectors = columns.map((name) => batch.getChild(name));
      for (let i = 0; i < batch.numRows; i++) {
        yield { place: `row ${row++}`, cells: vectors.map((vector) => plain(vector?.get(i))) };
      }
    }
  }
}

function plain(value: unknown): Cell {
  if (value instanceof Vector) return [...value];
  // Arrow's values of the types parquet has; undefined for none.
  return (value ?? null) as Cell;
}
