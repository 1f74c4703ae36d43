import readline from "node:readline";
import { FormatError, NotFoundError } from "../common/errors.ts";
import type { Cell, Table, TableRow } from "./table.ts";
import { textChunks } from "./text-chunks.ts";

/** One JSON object per line; empty lines are skipped. A key that a line lacks, or null, is missing. */
export class JsonLinesTable implements Table {
  readonly path: string;
  /** The keys of the first line. */
  readonly columns: readonly string[];

  private constructor(path: string, columns: readonly string[]) {
    this.path = path;
    this.columns = columns;
  }

  /** @throws FormatError for an empty file or a first line that is no object. */
  static async open(path: string): Promise<JsonLinesTable> {
    for await (const { value } of objects(path)) return new JsonLinesTable(path, [...value.keys()]);
    throw new FormatError("empty-table", "expected one JSON object per line, the file is empty", {
      path,
    });
  }

  async *rows(columns: readonly string[], signal?: AbortSignal): AsyncGenerator<TableRow> {
    const missing = new Set(columns);
    for await (const { line, value } of objects(this.path)) {
      signal?.throwIfAborted();
      for (const name of missing) if (value.has(name)) missing.delete(name);
      yield { place: `line ${line}`, cells: columns.map((name) => value.get(name) ?? null) };
    }
    for (const name of missing) {
      const message = `${this.path}: no line has a value for ${JSON.stringify(name)}`;
      throw new NotFoundError("no-such-column", message, { what: name, available: this.columns });
    }
  }
}

async function* objects(
  path: string,
): AsyncGenerator<{ readonly line: number; readonly value: ReadonlyMap<string, Cell> }> {
  const input = textChunks(path);
  const lines = readline.createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  let line = 0;
  try {
    for await (const text of lines) {
      line++;
      if (text.trim() !== "") yield { line, value: objectOf(text, path, line) };
    }
  } finally {
    lines.close();
    input.destroy();
  }
}

function objectOf(text: string, path: string, line: number): ReadonlyMap<string, Cell> {
  let value: unknown;
  try {
    // A byte order mark is text of the first line.
    value = JSON.parse(line === 1 ? text.replace(/^\ufeff/, "") : text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError("bad-row", `line ${line} is not JSON: ${reason}`, { path, cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return new Map(Object.entries(value));
  }
  throw new FormatError("bad-row", `line ${line}: expected a JSON object`, { path });
}
