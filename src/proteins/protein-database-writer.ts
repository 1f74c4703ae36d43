import { closeSync, fsyncSync, openSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { IncompatibleError, InvalidArgumentError, ScdlError } from "../../formats/common/errors.ts";
import {
  createSqlite,
  fromSqliteError,
  sqliteCall,
  sqliteCode,
} from "../../formats/sqlite/sqlite.ts";
import { PendingFile, type PendingFileOptions } from "./pending-file.ts";

/** SQLITE_CONSTRAINT: the name is there already. */
const CONSTRAINT = 19;

/**
 * Writes the SQLite file that {@link ProteinDatabase} and bionemo-esm2 read: one transaction, in
 * memory bounded by SQLite's cache (128 MiB), complete at `output` after {@link finish} or absent.
 */
export class ProteinDatabaseWriter {
  readonly #file: PendingFile;
  #database: DatabaseSync | null;
  readonly #insert: StatementSync;
  #probe: StatementSync | undefined;
  #length = 0;

  private constructor(file: PendingFile, database: DatabaseSync) {
    this.#file = file;
    this.#database = database;
    this.#insert = sqliteCall(file.path, () => {
      database.exec("CREATE TABLE protein (id TEXT PRIMARY KEY, sequence TEXT); BEGIN");
      return database.prepare("INSERT INTO protein VALUES (?, ?)");
    });
  }

  /** @throws StorageError */
  static create(output: string, options: PendingFileOptions = {}): ProteinDatabaseWriter {
    const file = new PendingFile(output, options);
    let database: DatabaseSync | undefined;
    try {
      database = createSqlite(file.path);
      return new ProteinDatabaseWriter(file, database);
    } catch (error) {
      database?.close();
      file.abort();
      throw error;
    }
  }

  /** Proteins added. */
  get length(): number {
    return this.#length;
  }

  /** @throws IncompatibleError "duplicate-protein" for a name that was added before */
  add(id: string, sequence: string): void {
    if (typeof id !== "string" || typeof sequence !== "string") {
      throw new InvalidArgumentError("id", id, "expected a name and residues as text");
    }
    this.#open();
    try {
      this.#insert.run(id, sequence);
    } catch (cause) {
      if (sqliteCode(cause) !== CONSTRAINT) throw fromSqliteError(cause, this.#file.output);
      throw new IncompatibleError(
        "duplicate-protein",
        `protein ${this.#length} (from 0) is named ${JSON.stringify(id)} as one before it`,
        { cause, suggestions: ["give every protein a name of its own"] },
      );
    }
    this.#length++;
  }

  /** Whether the name was added. */
  has(id: string): boolean {
    const database = this.#open();
    this.#probe ??= sqliteCall(this.#file.output, () =>
      database.prepare("SELECT 1 FROM protein WHERE id = ?"),
    );
    const probe = this.#probe;
    return sqliteCall(this.#file.output, () => probe.get(id)) !== undefined;
  }
  /** Commits, flushes to the disk and puts the file in its place. */
  finish(): void {
    const database = this.#open();
    try {
      sqliteCall(this.#file.output, () => {
        database.exec("COMMIT");
        database.close();
      });
      this.#database = null;
      const fd = openSync(this.#file.path, "r+");
      try {
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      this.#file.commit();
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  /** Removes what was written. Does nothing after {@link finish}. */
  abort(): void {
    this.#database?.close();
    this.#database = null;
    this.#file.abort();
  }

  #open(): DatabaseSync {
    if (this.#database === null) {
      throw new ScdlError("closed", `${this.#file.output}: written to after it was finished`);
    }
    return this.#database;
  }
}
