import type { DatabaseSync, StatementSync } from "node:sqlite";
import { closedError } from "../../formats/bytes/byte-source.ts";
import {
  FormatError,
  InvalidArgumentError,
  NotFoundError,
  UnsupportedFeatureError,
} from "../../formats/common/errors.ts";
import { openSqlite, sqliteCall } from "../../formats/sqlite/sqlite.ts";
import type { ProteinSource } from "./protein-source.ts";
import { RowIds } from "./row-ids.ts";

export interface ProteinDatabaseOptions {
  /**
   * Bytes of the file that SQLite may map into memory. Default 0. A map makes reads a fifth faster,
   * and reading a mapped file that another process shortens ends this one.
   */
  readonly mapBytes?: number;
}

/** The table of a UniRef data base, as bionemo-esm2 reads it. */
const COLUMNS = ["id", "sequence"] as const;

/**
 * Proteins of an SQLite file with the table `protein(id TEXT PRIMARY KEY, sequence TEXT)`, opened
 * read-only. Rows are in the order of insertion.
 *
 * Reading by name needs nothing but SQLite's own index. Rows are counted when they are first asked
 * for, which reads that index once.
 */
export class ProteinDatabase implements ProteinSource, Disposable {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #byId: StatementSync;
  readonly #rowIdOf: StatementSync | null;
  readonly #byRowId: StatementSync | null;
  #length: number | undefined;
  #rowIds: RowIds | undefined;
  #isOpen = true;

  private constructor(path: string, database: DatabaseSync) {
    this.path = path;
    this.#database = database;
    checkTable(database, path);
    const prepare = (sql: string) => sqliteCall(path, () => database.prepare(sql));
    this.#byId = prepare("SELECT sequence FROM protein WHERE id = ?");
    const hasRowIds = !isWithoutRowId(database, path);
    this.#rowIdOf = hasRowIds ? prepare("SELECT rowid AS row FROM protein WHERE id = ?") : null;
    this.#byRowId = hasRowIds ? prepare("SELECT id, sequence FROM protein WHERE rowid = ?") : null;
  }

  /**
   * @throws NotFoundError no such file, or no table `protein` with the columns in it; FormatError
   *   not an SQLite file, or a damaged one; StorageError
   */
  static open(path: string, options: ProteinDatabaseOptions = {}): ProteinDatabase {
    const { mapBytes = 0 } = options;
    if (!(Number.isSafeInteger(mapBytes) && mapBytes >= 0)) {
      throw new InvalidArgumentError("mapBytes", mapBytes, "mapBytes: expected a count of bytes");
    }
    const database = openSqlite(path);
    try {
      database.exec(`PRAGMA mmap_size = ${mapBytes}`);
      return new ProteinDatabase(path, database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Proteins. The first use counts them. */
  get length(): number {
    if (this.#length === undefined) {
      this.#check();
      const row = sqliteCall(this.path, () =>
        this.#database.prepare("SELECT COUNT(*) AS count FROM protein").get(),
      );
      this.#length = Number(row?.["count"]);
    }
    return this.#length;
  }

  /** The residues of a protein as text. @throws NotFoundError no such protein */
  get(id: string): string {
    this.#check();
    checkId(id);
    const found = sqliteCall(this.path, () => this.#byId.get(id));
    if (found === undefined) {
      throw new NotFoundError("no-such-protein", `${this.path}: no protein ${JSON.stringify(id)}`, {
        what: id,
        suggestions: ["check that the clusters belong to this data base"],
      });
    }
    return this.#text(found["sequence"], id, "sequence");
  }

  /** The residues of a protein as bytes, which the caller owns. @throws as {@link get} */
  sequenceOf(id: string): Uint8Array {
    return Buffer.from(this.get(id));
  }

  /** Whether there is such a protein. */
  has(id: string): boolean {
    this.#check();
    checkId(id);
    return sqliteCall(this.path, () => this.#byId.get(id)) !== undefined;
  }

  id(row: number): string {
    const found = this.#row(row);
    return this.#text(found["id"], `row ${row}`, "id");
  }

  indexOf(id: string): number {
    this.#check();
    checkId(id);
    const statement = this.#rowIdOf ?? this.#withoutRows();
    const found = sqliteCall(this.path, () => statement.get(id));
    return found === undefined ? -1 : this.#ids().rowOf(Number(found["row"]));
  }

  sequence(row: number): Uint8Array {
    const found = this.#row(row);
    return Buffer.from(this.#text(found["sequence"], String(found["id"]), "sequence"));
  }

  /** Every protein once, in the order of rows. Nothing else may use the data base meanwhile. */
  *entries(): Generator<readonly [id: string, sequence: string]> {
    this.#check();
    const order = this.#byRowId === null ? "id" : "rowid";
    const statement = sqliteCall(this.path, () =>
      this.#database.prepare(`SELECT id, sequence FROM protein ORDER BY ${order}`),
    );
    const rows = sqliteCall(this.path, () => statement.iterate());
    for (;;) {
      const { done, value } = sqliteCall(this.path, () => rows.next());
      if (done === true) return;
      const id = this.#text(value["id"], "a row", "id");
      yield [id, this.#text(value["sequence"], id, "sequence")];
    }
  }

  close(): void {
    if (this.#isOpen) this.#database.close();
    this.#isOpen = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #row(row: number) {
    this.#check();
    if (!(Number.isInteger(row) && row >= 0 && row < this.length)) {
      throw new InvalidArgumentError(
        "row",
        row,
        `${this.path}: expected a row of 0 to ${this.length - 1}, found ${row}`,
      );
    }
    const statement = this.#byRowId ?? this.#withoutRows();
    const rowId = this.#ids().idOf(row);
    const found = sqliteCall(this.path, () => statement.get(rowId));
    if (found === undefined) {
      throw new FormatError("corrupt-database", `expected a row with rowid ${rowId}, found none`, {
        path: this.path,
        suggestions: ["open it again: it was changed while open"],
      });
    }
    return found;
  }

  #ids(): RowIds {
    this.#rowIds ??= sqliteCall(this.path, () => RowIds.read(this.#database, this.length));
    return this.#rowIds;
  }

  #text(value: unknown, what: string, column: string): string {
    if (typeof value === "string") return value;
    const found = value === null ? "NULL" : value instanceof Uint8Array ? "a blob" : typeof value;
    throw new FormatError(
      "bad-database",
      `${what}: expected text in column ${column}, found ${found}`,
      { path: this.path, suggestions: ["write the column as TEXT"] },
    );
  }

  #withoutRows(): never {
    throw new UnsupportedFeatureError(
      "without-rowid",
      `${this.path}: the table protein is WITHOUT ROWID, so that its rows have no numbers`,
      { suggestions: ["read it by name", "build a store from it: scdl proteins build"] },
    );
  }

  #check(): void {
    if (!this.#isOpen) throw closedError(this.path);
  }
}

function checkId(id: unknown): void {
  if (typeof id === "string") return;
  throw new InvalidArgumentError("id", id, `expected the name of a protein, found ${typeof id}`, {
    suggestions: ["use id(row) or sequence(row) to read by row"],
  });
}

function checkTable(database: DatabaseSync, path: string): void {
  const names = (sql: string) =>
    sqliteCall(path, () => database.prepare(sql).all()).map((row) => String(row["name"]));
  const columns = names("SELECT name FROM pragma_table_info('protein')");
  if (columns.length === 0) {
    throw new NotFoundError("no-such-table", `${path}: no table protein`, {
      what: "protein",
      available: names("SELECT name FROM sqlite_schema WHERE type = 'table'"),
      suggestions: ["expected the table protein(id TEXT PRIMARY KEY, sequence TEXT)"],
    });
  }
  for (const column of COLUMNS) {
    if (columns.includes(column)) continue;
    throw new NotFoundError(
      "no-such-column",
      `${path}: the table protein has no column ${column}`,
      {
        what: column,
        available: columns,
        suggestions: ["expected the table protein(id TEXT PRIMARY KEY, sequence TEXT)"],
      },
    );
  }
}

function isWithoutRowId(database: DatabaseSync, path: string): boolean {
  const rows = sqliteCall(path, () =>
    database.prepare("SELECT wr FROM pragma_table_list('protein')").all(),
  );
  return rows.some((row) => row["wr"] === 1);
}
