/** `node:sqlite`, loaded on first use, with errors that name the file. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import {
  FormatError,
  fromFsError,
  ScdlError,
  StorageError,
  UnsupportedFeatureError,
} from "../common/errors.ts";

type Sqlite = typeof import("node:sqlite");

let loaded: Sqlite | undefined;

/**
 * The module. Node 22 calls it experimental on stderr when it is loaded; that line, and no other,
 * is kept from the terminal of a user who asked for no such thing.
 */
function loadSqlite(): Sqlite {
  if (loaded !== undefined) return loaded;
  const emitWarning = process.emitWarning;
  try {
    process.emitWarning = () => {};
    loaded = process.getBuiltinModule("node:sqlite");
  } finally {
    process.emitWarning = emitWarning;
  }
  if (loaded === undefined) {
    throw new UnsupportedFeatureError("sqlite", "this Node.js was built without SQLite", {
      suggestions: ["use a release of nodejs.org"],
    });
  }
  return loaded;
}

/** Opens an existing file, read-only. @throws NotFoundError, StorageError, FormatError not SQLite */
export function openSqlite(path: string): DatabaseSync {
  try {
    if (!statSync(path).isFile()) {
      throw new StorageError("io", "expected a file", { path, suggestions: ["name a file"] });
    }
  } catch (error) {
    throw fromFsError(error, path);
  }
  const { DatabaseSync } = loadSqlite();
  const database = sqliteCall(path, () => new DatabaseSync(resolve(path), { readOnly: true }));
  try {
    // Opening reads nothing; this reads the header.
    sqliteCall(path, () => database.prepare("SELECT COUNT(*) FROM sqlite_schema").get());
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/** Makes a new file for one writer that throws it away when it fails: no journal, no flushes. */
export function createSqlite(path: string): DatabaseSync {
  const { DatabaseSync } = loadSqlite();
  const database = sqliteCall(path, () => new DatabaseSync(resolve(path)));
  sqliteCall(path, () => {
    database.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -131072");
  });
  return database;
}

/** Runs `use`; an error of SQLite becomes a typed one about `path`. */
export function sqliteCall<T>(path: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw fromSqliteError(error, path);
  }
}

/** The SQLite result code of an error, without its extension; undefined for other errors. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}

const NOT_A_DATABASE = 26;
const CORRUPT = 11;
const CANNOT_OPEN = 14;
const BUSY = 5;
const LOCKED = 6;
const IO_ERROR = 10;
/** With their extension: a write, flush or change of length that the system refused. */
const REFUSED_WRITES: readonly number[] = [10 | (3 << 8), 10 | (4 << 8), 10 | (6 << 8)];
const FULL = 13;
const READ_ONLY = 8;

/** An error of SQLite as a typed one about `path`; any other unchanged. */
export function fromSqliteError(error: unknown, path: string): unknown {
  if (error instanceof ScdlError || !(error instanceof Error)) return error;
  const code = sqliteCode(error);
  const cause = error;
  if ("code" in error && error.code === "ERR_OUT_OF_RANGE") {
    return new FormatError("count-out-of-range", "a number in it is beyond 2^53", { path, cause });
  }
  if (code === undefined) return error;
  switch (code) {
    case NOT_A_DATABASE:
      return new FormatError("not-sqlite", "expected an SQLite database, found another file", {
        path,
        cause,
        suggestions: ["check the path", "scdl proteins build makes one from FASTA files"],
      });
    case CORRUPT:
      return new FormatError("corrupt-database", `SQLite says: ${error.message}`, {
        path,
        cause,
        suggestions: ["copy or build the file again: it is damaged or truncated"],
      });
    case CANNOT_OPEN:
      return new StorageError("permission-denied", "cannot be opened", {
        path,
        cause,
        suggestions: ["check the owner and mode"],
      });
    case BUSY:
    case LOCKED:
      return new StorageError("io", "another process is writing it", {
        path,
        cause,
        suggestions: ["wait until it is written"],
      });
    case FULL:
      return new StorageError("disk-full", "no space left on the device", {
        path,
        cause,
        suggestions: ["free space and run again"],
      });
    case READ_ONLY:
      return new StorageError("read-only", error.message, {
        path,
        cause,
        suggestions: ["choose another place"],
      });
    case IO_ERROR:
      if (REFUSED_WRITES.includes((error as Error & { errcode: number }).errcode)) {
        return new StorageError("disk-full", "cannot be written: the file or the disk is full", {
          path,
          cause,
          suggestions: [
            "free space and run again",
            "raise the limit (ulimit -f) or choose another file system",
          ],
        });
      }
      return new StorageError("io", `SQLite says: ${error.message}`, { path, cause });
    default:
      return new FormatError("bad-database", `SQLite says: ${error.message}`, { path, cause });
  }
}
