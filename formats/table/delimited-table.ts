import { pipeline } from "node:stream";
import { CsvError, type Info, parse } from "csv-parse";
import { FormatError } from "../common/errors.ts";
import { positionsOf } from "./columns.ts";
import type { Table, TableRow } from "./table.ts";
import { textChunks } from "./text-chunks.ts";

/** Longest row, in characters: a quote that is never closed must not fill the memory. */
const MAX_ROW_LENGTH = 2 ** 26;
const REPLACEMENT = "\ufffd";

interface ParsedRow {
  readonly record: readonly string[];
  readonly info: Info;
}

/**
 * Comma or tab separated text with one header line, as RFC 4180 has it: fields in quotes may hold
 * separators, quotes written twice, and line breaks. Empty lines are skipped; an empty field is missing.
 */
export class DelimitedTable implements Table {
  readonly path: string;
  readonly columns: readonly string[];
  readonly #delimiter: string;

  private constructor(path: string, columns: readonly string[], delimiter: string) {
    this.path = path;
    this.columns = columns;
    this.#delimiter = delimiter;
  }

  /** Reads the header. @throws FormatError for an empty file or a column named twice. */
  static async open(path: string, delimiter: "," | "\t"): Promise<DelimitedTable> {
    for await (const { record } of parsedRows(path, delimiter)) {
      const twice = record.find((name, i) => record.indexOf(name) < i);
      if (twice === undefined) return new DelimitedTable(path, record, delimiter);
      throw new FormatError("duplicate-column", `two columns are called ${JSON.stringify(twice)}`, {
        path,
      });
    }
    throw new FormatError("empty-table", "expected a header line, the file is empty", { path });
  }

  async *rows(columns: readonly string[], signal?: AbortSignal): AsyncGenerator<TableRow> {
    const wanted = positionsOf(this, columns);
    let isHeader = true;
    for await (const { record, info } of parsedRows(this.path, this.#delimiter)) {
      if (isHeader) {
        isHeader = false;
        continue;
      }
      signal?.throwIfAborted();
      const place = `line ${info.lines}`;
      if (record.length !== this.columns.length) {
        throw new FormatError(
          "bad-row",
          `${place} has ${record.length} fields, the header has ${this.columns.length}`,
          { path: this.path, suggestions: ["put fields that hold a separator in double quotes"] },
        );
      }
      const cells = wanted.map((at) => record[at] as string);
      if (cells.some((cell) => cell.includes(REPLACEMENT))) {
        throw new FormatError("not-utf8", `${place} is not UTF-8 text`, { path: this.path });
      }
      yield { place, cells: cells.map((cell) => (cell === "" ? null : cell)) };
    }
  }
}

async function* parsedRows(path: string, delimiter: string): AsyncGenerator<ParsedRow> {
  const source = textChunks(path);
  const parser = parse({
    delimiter,
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_ROW_LENGTH,
  });
  // An error of either ends the loop below.
  pipeline(source, parser, () => {});
  try {
    for await (const row of parser) yield row as ParsedRow;
  } catch (error) {
    throw readError(error, path);
  } finally {
    source.destroy();
    parser.destroy();
  }
}

function readError(error: unknown, path: string): unknown {
  if (!(error instanceof CsvError)) return error;
  const lines = error["lines"];
  const place = typeof lines === "number" ? `line ${lines}` : "a line";
  const [code, text] = {
    CSV_QUOTE_NOT_CLOSED: ["open-quote", `the quote that opens before ${place} is never closed`],
    CSV_MAX_RECORD_SIZE: [
      "row-too-long",
      `the row that ends after ${place} has more than ${MAX_ROW_LENGTH} characters`,
    ],
  }[error.code as string] ?? ["bad-row", `${place}: ${error.message}`];
  return new FormatError(code as string, text as string, {
    path,
    cause: error,
    suggestions: ["a quote inside a quoted field is written twice"],
  });
}
