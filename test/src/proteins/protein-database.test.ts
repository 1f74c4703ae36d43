import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import {
  FormatError,
  IncompatibleError,
  InvalidArgumentError,
  isScdlError,
  NotFoundError,
  ScdlError,
  StorageError,
  UnsupportedFeatureError,
} from "../../../formats/common/errors.ts";
import { createSqlite, openSqlite } from "../../../formats/sqlite/sqlite.ts";
import { ProteinDatabase } from "../../../src/proteins/protein-database.ts";
import { ProteinDatabaseWriter } from "../../../src/proteins/protein-database-writer.ts";
import { errorOf } from "../../helpers/error-of.ts";
import { readGolden } from "../random/golden.ts";

interface Golden {
  readonly length: number;
  readonly sequences: Readonly<Record<string, string>>;
  readonly order: readonly string[];
  readonly gapsLength: number;
  readonly gapsOrder: readonly string[];
}

const FIXTURES = fileURLToPath(new URL("../../../fixtures/proteins/", import.meta.url));
const golden = readGolden<Golden>("proteins/database");
const folder = mkdtempSync(join(tmpdir(), "scdl-proteins-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file made by SQL. */
function database(name: string, sql: string): string {
  const path = join(folder, name);
  const made = createSqlite(path);
  made.exec(sql);
  made.close();
  return path;
}

describe("a data base written by Python's sqlite3", () => {
  test("gives the proteins that ProteinSQLiteDataset gives, by name and by row", () => {
    using proteins = ProteinDatabase.open(join(FIXTURES, "database.db"));
    expect(proteins.length).toBe(golden.length);
    expect(golden.order.length).toBe(golden.length);
    golden.order.forEach((id, row) => {
      expect(proteins.id(row)).toBe(id);
      expect(proteins.indexOf(id)).toBe(row);
      expect(proteins.get(id)).toBe(golden.sequences[id]);
      expect(Buffer.from(proteins.sequence(row)).toString()).toBe(golden.sequences[id]);
    });
    expect(proteins.indexOf("UniRef90_none")).toBe(-1);
    expect([proteins.has("UniRef90_none"), proteins.has(proteins.id(3))]).toEqual([false, true]);
    expect([...proteins.entries()]).toEqual(golden.order.map((id) => [id, golden.sequences[id]]));
  });

  test("numbers its rows without gaps where some were deleted", () => {
    using proteins = ProteinDatabase.open(join(FIXTURES, "gaps.db"), { mapBytes: 1 << 20 });
    expect(proteins.length).toBe(golden.gapsLength);
    const rows = Array.from({ length: proteins.length }, (_, row) => proteins.id(row));
    expect(rows).toEqual(golden.gapsOrder);
    expect(rows.map((id) => proteins.indexOf(id))).toEqual(rows.map((_, row) => row));
  });

  test("refuses what is no name, no row, no protein", () => {
    using proteins = ProteinDatabase.open(join(FIXTURES, "database.db"));
    const missing = errorOf(() => proteins.get("UniRef90_none"), NotFoundError);
    expect(missing.message).toMatch(/database\.db: no protein "UniRef90_none"/);
    expect(missing.suggestions).not.toEqual([]);
    // @ts-expect-error what a JavaScript user may pass
    expect(() => proteins.get(3)).toThrow(InvalidArgumentError);
    for (const row of [-1, golden.length, 0.5, Number.NaN]) {
      expect(() => proteins.id(row), String(row)).toThrow(InvalidArgumentError);
      expect(() => proteins.sequence(row), String(row)).toThrow(InvalidArgumentError);
    }
    proteins.close();
    expect(() => proteins.get(golden.order[0] ?? "")).toThrow(ScdlError);
    expect(() => proteins.id(0)).toThrow(/read after close/);
  });
});

test("rows far apart are found among 5,000 of which half were deleted", () => {
  const path = database(
    "half.db",
    `CREATE TABLE protein (id TEXT PRIMARY KEY, sequence TEXT);
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
       INSERT INTO protein SELECT 'P' || i, 'M' || i FROM n;
     DELETE FROM protein WHERE rowid % 2 = 1`,
  );
  using proteins = ProteinDatabase.open(path);
  expect(proteins.length).toBe(2500);
  for (const row of [0, 1, 1023, 1024, 1025, 2047, 2048, 2499]) {
    expect(proteins.id(row)).toBe(`P${2 * row + 2}`);
    expect(proteins.indexOf(`P${2 * row + 2}`)).toBe(row);
  }
});

describe("files that are no such data base", () => {
  const cases = {
    "a missing file": [() => join(folder, "none.db"), NotFoundError, "no-such-file"],
    "a folder": [() => folder, StorageError, "io"],
    "an empty file": [() => text("empty.db", ""), NotFoundError, "no-such-table"],
    "a text": [() => text("text.db", "x".repeat(5000)), FormatError, "not-sqlite"],
    "no table": [() => database("a.db", "CREATE TABLE p (id)"), NotFoundError, "no-such-table"],
    "no column": [
      () => database("b.db", "CREATE TABLE protein (id TEXT, seq TEXT)"),
      NotFoundError,
      "no-such-column",
    ],
  } as const;
  const text = (name: string, content: string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };

  for (const [name, [make, type, code]] of Object.entries(cases)) {
    test(`${name}: ${code}`, () => {
      const path = make();
      const error = errorOf(() => ProteinDatabase.open(path), ScdlError);
      expect(error).toBeInstanceOf(type);
      expect(error.code).toBe(code);
      expect(error.message).toContain(path);
      expect(error.suggestions).not.toEqual([]);
    });
  }

  test("values that are no text are named", () => {
    const path = database(
      "values.db",
      `CREATE TABLE protein (id TEXT PRIMARY KEY, sequence TEXT);
       INSERT INTO protein VALUES ('null', NULL), ('blob', x'4d4b'), (NULL, 'M')`,
    );
    using proteins = ProteinDatabase.open(path);
    expect(errorOf(() => proteins.get("null"), FormatError).message).toMatch(/null: .*found NULL/);
    expect(() => proteins.get("blob")).toThrow(/found a blob/);
    expect(() => proteins.id(2)).toThrow(FormatError);
    expect(() => [...proteins.entries()]).toThrow(FormatError);
  });

  test("a table WITHOUT ROWID is read by name only", () => {
    const path = database(
      "without.db",
      `CREATE TABLE protein (id TEXT PRIMARY KEY, sequence TEXT) WITHOUT ROWID;
       INSERT INTO protein VALUES ('b', 'M'), ('a', 'K')`,
    );
    using proteins = ProteinDatabase.open(path);
    expect([proteins.get("a"), proteins.length]).toEqual(["K", 2]);
    expect([...proteins.entries()]).toEqual([
      ["a", "K"],
      ["b", "M"],
    ]);
    expect(() => proteins.id(0)).toThrow(UnsupportedFeatureError);
    expect(() => proteins.indexOf("a")).toThrow(UnsupportedFeatureError);
  });

  test("truncated anywhere, or with pages overwritten, it gives proteins or a typed error", () => {
    const whole = readFileSync(join(FIXTURES, "database.db"));
    const path = join(folder, "damaged.db");
    let errors = 0;
    for (let at = 0; at < whole.byteLength; at += 509) {
      const overwritten = Buffer.from(whole);
      overwritten.fill(0xa5, at, Math.min(at + 300, whole.byteLength));
      for (const bytes of [whole.subarray(0, at), overwritten]) {
        writeFileSync(path, bytes);
        try {
          using proteins = ProteinDatabase.open(path);
          for (let row = 0; row < proteins.length; row += 40) proteins.get(proteins.id(row));
        } catch (error) {
          if (!isScdlError(error)) throw error;
          errors++;
        }
      }
    }
    expect(errors).toBeGreaterThan(60);
  });
});

describe("a data base written here", () => {
  test("is the table that the original reads, whole and under its name only when finished", () => {
    const output = join(folder, "written.db");
    const writer = ProteinDatabaseWriter.create(output);
    for (const id of golden.order) writer.add(id, golden.sequences[id] ?? "");
    expect(readdirSync(folder)).not.toContain("written.db");
    writer.finish();
    const ours = openSqlite(output);
    const theirs = openSqlite(join(FIXTURES, "database.db"));
    const schema = "SELECT type, name, tbl_name FROM sqlite_schema";
    expect(ours.prepare(schema).all()).toEqual(theirs.prepare(schema).all());
    const rows = "SELECT rowid, id, sequence FROM protein ORDER BY rowid";
    expect(ours.prepare(rows).all()).toEqual(theirs.prepare(rows).all());
    expect(ours.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
    ours.close();
    theirs.close();
    expect(readdirSync(folder).filter((name) => name.includes("scdl-tmp"))).toEqual([]);
  });

  test("a name twice is refused, and an aborted file leaves nothing", () => {
    const writer = ProteinDatabaseWriter.create(join(folder, "twice.db"));
    writer.add("a", "MK");
    expect(writer.has("a")).toBe(true);
    const error = errorOf(() => writer.add("a", "MV"), IncompatibleError);
    expect([error.code, error.message]).toEqual([
      "duplicate-protein",
      'protein 1 (from 0) is named "a" as one before it',
    ]);
    writer.abort();
    expect(readdirSync(folder).filter((name) => name.includes("twice"))).toEqual([]);
    expect(() => writer.add("b", "M")).toThrow(/after it was finished/);
  });

  test("an existing file is replaced only when asked", () => {
    const output = join(folder, "there.db");
    writeFileSync(output, "mine");
    expect(errorOf(() => ProteinDatabaseWriter.create(output), StorageError).code).toBe(
      "already-exists",
    );
    const writer = ProteinDatabaseWriter.create(output, { overwrite: true });
    expect(readFileSync(output, "utf8")).toBe("mine");
    writer.finish();
    using proteins = ProteinDatabase.open(output);
    expect(proteins.length).toBe(0);
    expect(() => ProteinDatabaseWriter.create(folder, { overwrite: true })).toThrow(StorageError);
  });
});

test("nothing is printed when a data base is opened, and other warnings still are", () => {
  const module = new URL("../../../src/proteins/protein-database.ts", import.meta.url).href;
  const script = `const { ProteinDatabase } = await import(${JSON.stringify(module)});
    ProteinDatabase.open(process.argv[1]).close();
    process.emitWarning("of the user");`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "-e", script, join(FIXTURES, "database.db")],
    { encoding: "utf8" },
  );
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^\(node:\d+\) Warning: of the user\n/);
  expect(stderr).not.toMatch(/SQLite/);
});

test.skipIf(process.platform === "win32")("a full disk is disk-full, not damage", () => {
  const output = join(folder, "limited.db");
  const module = new URL("../../../src/proteins/protein-database-writer.ts", import.meta.url).href;
  const script = `
    const { ProteinDatabaseWriter } = await import(${JSON.stringify(module)});
    const writer = ProteinDatabaseWriter.create(process.argv[1]);
    try {
      for (let i = 0; i < 400; i++) writer.add("p" + i, "ACDEFGHIKL".repeat(100));
      writer.finish();
    } catch (error) {
      console.log(JSON.stringify([error.code, error.path, error.suggestions]));
    }`;
  // Blocks of 512 or 1024 bytes, by shell; the proteins need 400 KB.
  const limited = 'ulimit -f 100; exec "$0" --input-type=module --eval "$1" "$2"';
  const { stdout } = spawnSync("sh", ["-c", limited, process.execPath, script, output], {
    encoding: "utf8",
  });
  const suggestions = [
    "free space and run again",
    "raise the limit (ulimit -f) or choose another file system",
  ];
  expect(JSON.parse(stdout)).toEqual(["disk-full", output, suggestions]);
  expect(readdirSync(folder).filter((name) => name.includes("limited"))).toEqual([]);
});
