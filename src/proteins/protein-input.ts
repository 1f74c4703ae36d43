/** Files of proteins of every kind that `scdl proteins build` takes. */
import type { DataType } from "apache-arrow";
import { FileSource } from "../../formats/bytes/file-source.ts";
import { FormatError } from "../../formats/common/errors.ts";
import { FastaReader } from "../../formats/fasta/fasta-reader.ts";
import { ParquetFile } from "../../formats/parquet/parquet-file.ts";
import { ProteinDatabase } from "./protein-database.ts";

/** Hears of each protein; the residues are ASCII and valid during the call. */
export type OnProtein = (id: string, residues: Uint8Array) => void;

export interface ReadProteinsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called often; waits when others should run. */
  readonly turn: () => Promise<void> | null;
}

const SQLITE_MAGIC = "SQLite format 3\0";

/**
 * Reads FASTA or FASTQ (also compressed), an SQLite data base of proteins, or a parquet table with
 * columns `id` and `sequence`; which it is, its first bytes tell.
 *
 * @throws NotFoundError, FormatError, StorageError; the signal's reason
 */
export async function readProteins(
  path: string,
  onProtein: OnProtein,
  options: ReadProteinsOptions,
): Promise<void> {
  const magic = headOf(path);
  if (magic === SQLITE_MAGIC) await readDatabase(path, onProtein, options);
  else if (magic.startsWith("PAR1")) await readParquet(path, onProtein, options);
  else await readFasta(path, onProtein, options);
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

async function readDatabase(path: string, onProtein: OnProtein, { turn }: ReadProteinsOptions) {
  using database = ProteinDatabase.open(path);
  for (const [id, sequence] of database.entries()) {
    onProtein(id, Buffer.from(sequence));
    const wait = turn();
    if (wait !== null) await wait;
  }
}

async function readParquet(path: string, onProtein: OnProtein, { turn }: ReadProteinsOptions) {
  const file = ParquetFile.open(path);
  let row = 0;
  for await (const batch of file.batches({ columns: ["id", "sequence"] })) {
    const ids = batch.getChildAt<DataType>(0);
    const sequences = batch.getChildAt<DataType>(1);
    for (let i = 0; i < batch.numRows; i++) {
      const [id, sequence]: unknown[] = [ids?.get(i), sequences?.get(i)];
      if (typeof id !== "string" || typeof sequence !== "string") {
        throw new FormatError("bad-row", `row ${row + i}: expected text as id and sequence`, {
          path,
        });
      }
      onProtein(id, Buffer.from(sequence));
      const wait = turn();
      if (wait !== null) await wait;
    }
    row += batch.numRows;
  }
}
