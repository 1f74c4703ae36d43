/** Makes the index of a FASTA or FASTQ file: `.fai`, and `.gzi` for one that bgzip compressed. */
import { renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { ByteSource } from "../../formats/bytes/byte-source.ts";
import { type ByteStream, FileStream } from "../../formats/bytes/byte-stream.ts";
import { MemorySource } from "../../formats/bytes/memory-source.ts";
import { openSource } from "../../formats/bytes/open-source.ts";
import { FormatError, fromFsError, ScdlError } from "../../formats/common/errors.ts";
import { OutputFile, writeSmallFile } from "../../formats/common/output-file.ts";
import { BgzfStream } from "../../formats/fasta/bgzf-source.ts";
import { FaiScanner } from "../../formats/fasta/fai-scanner.ts";
import { type DuplicateName, FaiTable } from "../../formats/fasta/fai-table.ts";
import { FaiText } from "../../formats/fasta/fai-text.ts";
import type { BlockIndex } from "../../formats/fasta/gzi.ts";
import type { FastaFormat } from "../../formats/fasta/record-parser.ts";
import { wordsOf } from "../../formats/fasta/residues.ts";
import { openFastaBytes } from "../../formats/fasta/text-source.ts";
import {
  createTemporary,
  outputTarget,
  sweepLeftovers,
} from "../../formats/scdl/directory-swap.ts";
import { checkFileOutput } from "./pending-file.ts";

const WINDOW_BYTES = 2 ** 20;
/** Between two of which other work may run. */
const WINDOWS_PER_TURN = 64;
/** A larger index has to be a file. */
const MAX_MEMORY_BYTES = 2 ** 30;

export interface ScanFastaOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: FastaProgress) => void) | undefined;
  /** Told of records that an index leaves out or that it cannot place. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface FastaProgress {
  /** Bytes of the file, compressed ones where it is. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface IndexFastaOptions extends ScanFastaOptions {
  /** Where the index goes. Default: the file's path and `.fai`. */
  readonly output?: string | undefined;
  /** Replace an existing index. Default false. */
  readonly overwrite?: boolean | undefined;
}

export interface FastaIndexReport {
  readonly path: string;
  readonly index: string;
  /** The `.gzi`, for a file that bgzip compressed. */
  readonly blockIndex: string | null;
  readonly format: FastaFormat;
  readonly records: number;
  /** Records that are left out, as their name came before. */
  readonly duplicates: number;
}

/**
 * Writes the bytes that `samtools faidx` writes, and refuses what it refuses; see docs/proteins.md.
 * The files appear when they are whole.
 *
 * @throws FormatError with record, line and byte; UnsupportedFeatureError for gzip and zstd;
 *   StorageError
 */
export async function indexFasta(
  path: string,
  options: IndexFastaOptions = {},
): Promise<FastaIndexReport> {
  const output = options.output ?? `${path}.fai`;
  const gzi = `${path}.gzi`;
  const overwrite = options.overwrite ?? false;
  checkFileOutput(output, overwrite);
  sweepLeftovers(output, () => {});
  const folder = createTemporary(output);
  try {
    const written = join(folder, basename(output));
    const { format, blocks, irregular, textBytes } = await scanToFile(path, written, options);
    if (irregular !== null) options.onWarning?.(irregularText(path, irregular));
    const source = openSource(written);
    let [records, duplicates] = [0, 0];
    let final = written;
    try {
      const table = FaiTable.parse(source, textBytes);
      const repeated = table.duplicates();
      records = table.length - repeated.length;
      duplicates = repeated.length;
      for (const one of repeated) options.onWarning?.(duplicateText(path, one));
      if (duplicates > 0) final = writeWithout(table, repeated, `${written}.unique`);
    } finally {
      source.close();
    }
    if (blocks !== null) {
      writeSmallFile(join(folder, "gzi"), blocks.encode());
      move(join(folder, "gzi"), gzi);
    }
    move(final, output);
    return { path, index: output, blockIndex: blocks && gzi, format, records, duplicates };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The index in memory, its rows all that the file has, same names too. */
export async function scanToMemory(
  path: string,
  options: ScanFastaOptions,
): Promise<{ readonly table: FaiTable; readonly irregular: Irregular }> {
  const chunks: Uint8Array[] = [];
  let byteLength = 0;
  const take = (chunk: Uint8Array) => {
    byteLength += chunk.length;
    chunks.push(chunk);
    if (byteLength > MAX_MEMORY_BYTES) {
      throw new ScdlError("index-too-large", `${path}: its index does not fit in memory`, {
        suggestions: ["write it to a file first: scdl fasta index FILE"],
      });
    }
  };
  const { textBytes, irregular } = await scan(path, take, options);
  const bytes = new Uint8Array(byteLength);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  const text = new MemorySource(bytes, `${path} (its index)`);
  return { table: FaiTable.parse(text, textBytes), irregular };
}

type Irregular = FaiScanner["irregular"];

interface Scanned {
  readonly format: FastaFormat;
  readonly blocks: BlockIndex | null;
  readonly irregular: Irregular;
  /** Length of the text. */
  readonly textBytes: number;
}

async function scanToFile(
  path: string,
  output: string,
  options: ScanFastaOptions,
): Promise<Scanned> {
  const file = OutputFile.create(output);
  try {
    const scanned = await scan(path, (chunk) => file.write(chunk), options);
    file.finish();
    return scanned;
  } finally {
    file.close();
  }
}

async function scan(
  path: string,
  take: (chunk: Uint8Array) => void,
  options: ScanFastaOptions,
): Promise<Scanned> {
  const { signal, onProgress } = options;
  const { stream, blocked, bytesTotal } = openStream(path);
  try {
    const text = new FaiText(take);
    const scanner: FaiScanner = new FaiScanner(path, (entry) =>
      text.add(entry, scanner.format === "fastq"),
    );
    const window = new Uint8Array(WINDOW_BYTES);
    const words = wordsOf(window);
    let textBytes = 0;
    for (let windows = 1; ; windows++) {
      signal?.throwIfAborted();
      let got = stream.read(window);
      if (typeof got !== "number") got = await got;
      if (got === 0) break;
      scanner.push(window, words, got);
      textBytes += got;
      if (windows % WINDOWS_PER_TURN === 0) {
        onProgress?.({ bytesDone: blocked?.position ?? textBytes, bytesTotal });
        await setImmediate();
      }
    }
    scanner.finish();
    text.finish();
    onProgress?.({ bytesDone: bytesTotal, bytesTotal });
    const blocks = blocked?.index() ?? null;
    // A file without a record has been refused.
    const format = scanner.format as FastaFormat;
    return { format, blocks, irregular: scanner.irregular, textBytes };
  } finally {
    stream.close();
  }
}

function openStream(path: string): {
  readonly stream: ByteStream;
  readonly blocked: BgzfStream | null;
  readonly bytesTotal: number;
} {
  const { source, isBlocked } = openFastaBytes(path, { access: "read" });
  const bytesTotal = source.byteLength;
  if (isBlocked) {
    const blocked = new BgzfStream(source);
    return { stream: blocked, blocked, bytesTotal };
  }
  source.close();
  return { stream: FileStream.open(path), blocked: null, bytesTotal };
}

/** Lines of the first row of each name. */
function writeWithout(table: FaiTable, repeated: readonly DuplicateName[], output: string): string {
  const file = OutputFile.create(output);
  try {
    let next = 0;
    for (let row = 0; row < table.length; row++) {
      if (repeated[next]?.row === row) next++;
      else file.write(table.lineBytes(row));
    }
    file.finish();
  } finally {
    file.close();
  }
  return output;
}

function move(from: string, to: string): void {
  try {
    renameSync(from, outputTarget(to));
  } catch (error) {
    throw fromFsError(error, to);
  }
}

function duplicateText(path: string, { name, row, firstRow }: DuplicateName): string {
  const said = JSON.stringify(name);
  return `${path}: record ${row + 1} has the name of record ${firstRow + 1}, ${said}: left out of the index`;
}

function irregularText(path: string, { name, line }: NonNullable<Irregular>): string {
  const said = JSON.stringify(name);
  return `${path}: record ${said}, line ${line}: white space among residues; its parts will be wrong`;
}

/** Residues of such a record are not where an index says. */
export function irregularError(path: string, found: NonNullable<Irregular>): FormatError {
  const said = JSON.stringify(found.name);
  return new FormatError(
    "irregular-lines",
    `record ${said}, line ${found.line}: expected as many residues as on the lines before, found white space among them`,
    { path, suggestions: ["write the file again with lines of one length", "read it as a stream"] },
  );
}

/** An existing index, checked against the length of the text. */
export function openFai(path: string, textBytes: number): FaiTable {
  const source = inMemory(openSource(path));
  try {
    return FaiTable.parse(source, textBytes);
  } catch (error) {
    source.close();
    throw error;
  }
}

/** Mapped where it is large and can be, else read: a table needs the bytes at hand. */
function inMemory(source: ByteSource): ByteSource {
  if (source.byteLength > MAX_MEMORY_BYTES / 4 && source.bytes !== null) return source;
  try {
    const bytes = new Uint8Array(source.byteLength);
    source.readInto(0, bytes);
    return new MemorySource(bytes, source.path);
  } finally {
    source.close();
  }
}
