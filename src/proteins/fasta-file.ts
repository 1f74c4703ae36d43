/** A FASTA or FASTQ file whose records are read at random. */
import { existsSync, statSync } from "node:fs";
import type { ByteSource } from "../../formats/bytes/byte-source.ts";
import type { FileAccess } from "../../formats/bytes/open-source.ts";
import {
  FormatError,
  fromFsError,
  InvalidArgumentError,
  NotFoundError,
} from "../../formats/common/errors.ts";
import { assertReachesEnd } from "../../formats/fasta/fai-end.ts";
import type { FaiLine } from "../../formats/fasta/fai-line.ts";
import type { FaiTable } from "../../formats/fasta/fai-table.ts";
import { LineReader } from "../../formats/fasta/line-reader.ts";
import type { FastaFormat } from "../../formats/fasta/record-parser.ts";
import { type FastaRegion, parseRegion } from "../../formats/fasta/region.ts";
import { openFastaText } from "../../formats/fasta/text-source.ts";
import {
  indexFasta,
  irregularError,
  openFai,
  type ScanFastaOptions,
  scanToMemory,
} from "./fasta-index.ts";
import type { ProteinSource } from "./protein-source.ts";

/** Rows of an index whose place is looked at when it is opened. */
const SPOT_CHECKS = 256;

export interface FastaFileOptions extends ScanFastaOptions {
  /** Default "auto": see {@link FileAccess}. */
  readonly access?: FileAccess | undefined;
  /** The index. Default: the file's path and `.fai`, which need not exist. */
  readonly faiPath?: string | undefined;
  /** Without an index beside the file write one, as `samtools faidx` does. Default: keep it in memory. */
  readonly index?: boolean | undefined;
  /** Do not look for an index beside the file. Default false. */
  readonly ignoreIndex?: boolean | undefined;
  /**
   * Take records whose name came before, as BioNeMo's `allow_duplicate_seqids`: they are reached by
   * row, and the name means the first. The index is then made in memory, unless `faiPath` is given,
   * as samtools' index has no such records. Default: they are an error.
   */
  readonly allowDuplicateNames?: boolean | undefined;
}

/**
 * Records by row or name, whole or in part, from plain files and ones that bgzip compressed; the
 * plain ones memory-mapped.
 *
 * ```ts
 * using proteins = await FastaFile.open("uniref50.fasta");
 * proteins.sequence(proteins.indexOf("UniRef50_A0A009DWL0"));
 * proteins.fetch("UniRef50_A0A009DWL0", 10, 20); // residues 10 to 19, the first is 0
 * ```
 * Rows are those of an index: a record without residues has none. Sequences are copies. A file that
 * was changed, and an index that does not belong to it, are errors and never other residues.
 */
export class FastaFile implements ProteinSource, Disposable {
  readonly path: string;
  readonly format: FastaFormat;
  readonly length: number;
  readonly #text: ByteSource;
  readonly #table: FaiTable;
  readonly #lines: LineReader;

  private constructor(text: ByteSource, table: FaiTable) {
    this.path = text.path;
    this.format = table.format;
    this.length = table.length;
    this.#text = text;
    this.#table = table;
    this.#lines = new LineReader(text, table.path);
  }

  /** @throws NotFoundError, FormatError, UnsupportedFeatureError for gzip without bgzip, StorageError */
  static async open(path: string, options: FastaFileOptions = {}): Promise<FastaFile> {
    const faiPath = await existingIndex(path, options);
    const text = openFastaText(
      path,
      options.access === undefined ? {} : { access: options.access },
    );
    try {
      if (faiPath === null) {
        const { table, irregular } = await scanToMemory(path, options);
        if (irregular !== null) throw irregularError(path, irregular);
        if (options.allowDuplicateNames !== true) assertUnique(table, path);
        return new FastaFile(text, table);
      }
      const table = openFai(faiPath, text.byteLength);
      try {
        assertReachesEnd(table, text);
        const file = new FastaFile(text, table);
        file.#checkPlaces();
        return file;
      } catch (error) {
        table.close();
        throw error;
      }
    } catch (error) {
      text.close();
      throw error;
    }
  }

  /** The name of a record. @throws InvalidArgumentError for a row outside 0 to length - 1 */
  id(row: number): string {
    this.#at(row);
    return this.#table.name(row);
  }

  /** The row of a name, or -1. The first call reads all names. */
  indexOf(id: string): number {
    return this.#table.indexOf(id);
  }

  /** Residues of a record, without reading it. */
  lengthOf(row: number): number {
    return this.#at(row).length;
  }

  /** Residues on a full line of a record. */
  lineLengthOf(row: number): number {
    return this.#at(row).lineBases;
  }

  /** @inheritdoc */
  sequence(row: number): Uint8Array<ArrayBuffer> {
    const line = this.#at(row);
    return this.#lines.read(line, line.offset, 0, line.length);
  }

  /** One byte a residue, `!` for 0; null in FASTA. */
  qualities(row: number): Uint8Array<ArrayBuffer> | null {
    const line = this.#at(row);
    if (this.format === "fasta") return null;
    return this.#lines.read(line, line.qualitiesOffset, 0, line.length);
  }

  /**
   * Residues `begin` to `end - 1`, counted from 0; what lies behind the last is left out.
   *
   * @param record its name or its row
   * @throws NotFoundError for an unknown name, InvalidArgumentError
   */
  fetch(
    record: string | number,
    begin = 0,
    end = Number.MAX_SAFE_INTEGER,
  ): Uint8Array<ArrayBuffer> {
    assertRange(begin, end);
    const line = this.#at(this.#rowOf(record));
    const last = Math.min(end, line.length);
    return this.#lines.read(line, line.offset, Math.min(begin, last), last);
  }

  /**
   * What a region of samtools means: `chr1`, `chr1:5-10` (residues 5 to 10, the first is 1), `chr1:5`
   * (to the end), `{a:b}:5-10` for a name with a colon.
   */
  region(region: string): FastaRegion {
    return parseRegion(region, (name) => this.#table.indexOf(name), this.path);
  }

  close(): void {
    this.#text.close();
    this.#table.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #at(row: number): FaiLine {
    if (Number.isInteger(row) && row >= 0 && row < this.length) return this.#table.at(row);
    const expected = this.length === 0 ? "there are none" : `expected 0 to ${this.length - 1}`;
    throw new InvalidArgumentError("row", row, `${this.path}: row ${row}: ${expected}`);
  }

  #rowOf(record: string | number): number {
    if (typeof record === "number") return record;
    const row = this.#table.indexOf(record);
    if (row >= 0) return row;
    throw new NotFoundError("no-such-record", `${this.path}: no record ${JSON.stringify(record)}`, {
      what: record,
      suggestions: ["names end at the first white space of a header"],
    });
  }

  /** Some records of an index that was found must be where it says. */
  #checkPlaces(): void {
    const step = Math.max(1, Math.floor(this.length / SPOT_CHECKS));
    for (let row = 0; row < this.length; row += step) {
      this.#lines.checkHeader(this.#table.at(row));
    }
  }
}

/** The index file to use, which `index: true` may have made; null for one in memory. */
async function existingIndex(path: string, options: FastaFileOptions): Promise<string | null> {
  const { faiPath, ignoreIndex, allowDuplicateNames } = options;
  if (faiPath === undefined && (ignoreIndex === true || allowDuplicateNames === true)) return null;
  const index = faiPath ?? `${path}.fai`;
  if (faiPath === undefined && !existsSync(index)) {
    if (options.index !== true) return null;
    let irregular: string | null = null;
    const onWarning = (message: string) => {
      irregular ??= message;
      options.onWarning?.(message);
    };
    const { duplicates } = await indexFasta(path, { ...options, onWarning });
    if (duplicates > 0 && irregular !== null) {
      throw new FormatError("duplicate-name", irregular, { path });
    }
    return index;
  }
  assertNotOlder(index, path);
  return index;
}

function assertNotOlder(index: string, path: string): void {
  const [made, changed] = [index, path].map((file) => {
    try {
      return statSync(file).mtimeMs;
    } catch (error) {
      throw fromFsError(error, file);
    }
  });
  if (made === undefined || changed === undefined || made >= changed) return;
  throw new FormatError("stale-index", `the index is older than ${path}`, {
    path: index,
    suggestions: [
      "make it again: scdl fasta index FILE --overwrite",
      "touch it, if it does belong to the file",
    ],
  });
}

function assertUnique(table: FaiTable, path: string): void {
  const [first] = table.duplicates();
  if (first === undefined) return;
  throw new FormatError(
    "duplicate-name",
    `record ${first.row + 1} has the name of record ${first.firstRow + 1}, ${JSON.stringify(first.name)}`,
    {
      path,
      suggestions: ["allow it (allowDuplicateNames) and use rows", "rename the records"],
    },
  );
}

function assertRange(begin: number, end: number): void {
  const isRange = Number.isSafeInteger(begin) && Number.isSafeInteger(end);
  if (isRange && begin >= 0 && end >= begin) return;
  throw new InvalidArgumentError(
    "begin",
    begin,
    `residues ${begin} to ${end}: expected whole numbers, 0 or more, the second not the smaller`,
  );
}
