/** Files of proteins of every kind that `scdl proteins build` takes. */
import { FileSource } from "../../formats/bytes/file-source.ts";
import { FormatError, isScdlError, NotFoundError } from "../../formats/common/errors.ts";
import { FastaReader } from "../../formats/fasta/fasta-reader.ts";
import { ParquetFile } from "../../formats/parquet/parquet-file.ts";
import { openTable } from "../../formats/table/open-table.ts";
import { ProteinDatabase } from "./protein-database.ts";
import { sequenceColumnOf } from "./protein-table.ts";

/** Hears of each protein; the residues are ASCII and valid during the call. */
export type OnProtein = (id: string, residues: Uint8Array) => void;

export interface ReadProteinsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called often; waits when others should run. */
  readonly turn: () => Promise<void> | null;
  /**
   * Proteins of a table without column `id`: "rows" calls them by the number of their row, from 0.
   * Default "error".
   */
  readonly unnamed?: "error" | "rows";
}

const TABLE_NAME = /\.(csv|tsv|tab|jsonl|ndjson)(\.gz|\.zst)?$/i;
const SQLITE_MAGIC = "SQLite format 3\0";

/**
 * Reads FASTA or FASTQ, an SQLite data base of proteins, or a table with columns `sequence` (or
 * `sequences`) and `id`: parquet, or by the file's name CSV, TSV and JSON lines. Text may be compressed.
 *
 * @throws NotFoundError, also "no-such-column"; FormatError naming the line; StorageError; the
 *   signal's reason
 */
export async function readProteins(
  path: string,
  onProtein: OnProtein,
  options: ReadProteinsOptions,
): Promise<void> {
  const magic = headOf(path);
  if (magic === SQLITE_MAGIC) await readDatabase(path, onProtein, options);
  else if (magic.startsWith("PAR1")) await readParquet(path, onProtein, options);
  else if (TABLE_NAME.test(path)) await readTable(path, onProtein, options);
  else {
    try {
      await readFasta(path, onProtein, options);
    } catch (error) {
      throw notProteins(error, path);
    }
  }
}

function headOf(path: string): string {
  using file = FileSource.open(path);
  return Buffer.from(file.read(0, Math.min(SQLITE_MAGIC.length, file.byteLength))).toString(
    "latin1",
  );
}

async function readFasta(path: string, onProtein: OnProtein, options: ReadProteinsOptions) {
  const { signal, turn } = options;
  using reader = await FastaReader.open(path, signal === undefined ? {} : { signal });
  for (;;) {
    const more = reader.next();
    if (!(typeof more === "boolean" ? more : await more)) return;
    onProtein(reader.name, reader.sequence);
    const wait = turn();
    if (wait !== null) await wait;
  }
}

/** What is not FASTA was to be any of the kinds. */
function notProteins(cause: unknown, path: string): unknown {
  if (!isScdlError(cause, "not-fasta")) return cause;
  const message = "expected proteins: FASTA, FASTQ, an SQLite data base, or a table of them";
  return new FormatError("not-proteins", message, {
    path,
    cause,
    suggestions: ["a table of text is known by its name: .csv, .tsv or .jsonl"],
  });
}

async function readDatabase(path: string, onProtein: OnProtein, { turn }: ReadProteinsOptions) {
  using database = ProteinDatabase.open(path);
  for (const [id, sequence] of database.entries()) {
    onProtein(id, Buffer.from(sequence));
    const wait = turn();
    if (wait !== null) await wait;
  }
}

/** Row group by row group: awaiting every row would take most of the time. */
async function readParquet(path: string, onProtein: OnProtein, options: ReadProteinsOptions) {
  const file = ParquetFile.open(path);
  const [sequences, ids] = columnsOf(path, file.columns, options);
  let row = 0;
  for await (const batch of file.batches({
    columns: ids === null ? [sequences] : [sequences, ids],
  })) {
    const sequence = batch.getChild(sequences);
    const id = ids === null ? null : batch.getChild(ids);
    for (let i = 0; i < batch.numRows; i++, row++) {
      const place = () => `row ${row}`;
      const name = id === null ? String(row) : nameOf(path, place, ids, id.get(i));
      onProtein(name, residuesOf(path, place, sequences, sequence?.get(i)));
      const wait = options.turn();
      if (wait !== null) await wait;
    }
  }
}

async function readTable(path: string, onProtein: OnProtein, options: ReadProteinsOptions) {
  const table = await openTable(path);
  const [sequences, ids] = columnsOf(path, table.columns, options);
  let row = 0;
  for await (const { place, cells } of table.rows(
    ids === null ? [sequences] : [sequences, ids],
    options.signal,
  )) {
    const name = ids === null ? String(row) : nameOf(path, () => place, ids, cells[1]);
    onProtein(
      name,
      residuesOf(path, () => place, sequences, cells[0]),
    );
    row++;
    const wait = options.turn();
    if (wait !== null) await wait;
  }
}

/** The column of residues, and that of names or null. @throws NotFoundError "no-such-column" */
function columnsOf(
  path: string,
  available: readonly string[],
  { unnamed }: ReadProteinsOptions,
): [sequences: string, ids: string | null] {
  const sequences = sequenceColumnOf(path, available, ["sequence", "sequences"]);
  if (available.includes("id")) return [sequences, "id"];
  if (unnamed === "rows") return [sequences, null];
  const message = `${path}: the table must contain an 'id' column`;
  throw new NotFoundError("no-such-column", message, { what: "id", available });
}

function nameOf(path: string, place: () => string, column: string | null, cell: unknown): string {
  if (typeof cell === "string") return cell;
  if (typeof cell === "number" || typeof cell === "bigint") return String(cell);
  throw badCell(path, place, column, cell);
}

function residuesOf(path: string, place: () => string, column: string, cell: unknown): Buffer {
  if (typeof cell === "string" && cell !== "") return Buffer.from(cell);
  throw badCell(path, place, column, cell);
}

function badCell(path: string, place: () => string, column: string | null, cell: unknown) {
  const isMissing = cell === null || cell === undefined || cell === "";
  const found = isMissing ? "has no value" : `expected text, found ${typeof cell}`;
  const message = `${place()}, column ${JSON.stringify(column)}: ${found}`;
  return new FormatError("bad-row", message, { path });
}
