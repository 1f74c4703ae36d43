/** An index as a table: records by row and by name, its text being all that holds them. */
import type { ByteSource } from "../bytes/byte-source.ts";
import { FormatError, InvalidArgumentError } from "../common/errors.ts";
import { hashOf, NameIndex } from "../common/name-index.ts";
import { FaiLine } from "./fai-line.ts";
import type { FastaFormat } from "./record-parser.ts";

/** Line starts that are kept: of every line up to so many lines, then of every 2nd, 4th... */
const MAX_STARTS = 2 ** 22;
const NEWLINE = 10;

/** A later row with the name of an earlier one. */
export interface DuplicateName {
  readonly name: string;
  readonly row: number;
  readonly firstRow: number;
}

/**
 * Memory besides the text, which may be mapped: 8 bytes a row up to 4 million rows, then at most 32 MiB;
 * 5 bytes a row more with the first search by name (187 million rows: 916 MiB).
 */
export class FaiTable {
  readonly length: number;
  readonly format: FastaFormat;
  /** Byte of the sequences' file behind the last record of the index; 0 where it has none. */
  readonly recordsEnd: number;
  readonly #text: ByteSource;
  readonly #starts: Float64Array;
  readonly #stride: number;
  readonly #line = new FaiLine();
  #names: NameIndex | null = null;

  private constructor(
    text: ByteSource,
    format: FastaFormat,
    length: number,
    starts: Starts,
    recordsEnd: number,
  ) {
    this.#text = text;
    this.format = format;
    this.length = length;
    this.recordsEnd = recordsEnd;
    this.#starts = starts.kept;
    this.#stride = starts.stride;
  }

  /**
   * Reads and checks every line: numbers, line widths, places inside the file and beside each other.
   *
   * @param text with its memory at hand ({@link ByteSource.bytes}); its path is that of the index
   * @param textBytes length of the sequences' file, of its text where it is compressed
   * @param maxStarts an even number
   * @throws FormatError "bad-fai" with the line and the name
   */
  static parse(text: ByteSource, textBytes: number, maxStarts = MAX_STARTS): FaiTable {
    const bytes = bytesOf(text);
    const line = new FaiLine();
    const starts = new Starts(maxStarts);
    let [columns, length, previousBegin, previousEnd, recordsEnd] = [4, 0, 0, 0, 0];
    for (let at = 0; at < bytes.length; at = line.end) {
      const wrong =
        line.parse(bytes, at) ??
        (length > 0 && line.columns !== columns ? `${columns + 1} columns as on line 1` : null) ??
        misplaced(line, textBytes, previousBegin, previousEnd);
      if (wrong !== null) throw badLine(text.path, bytes, at, line, length + 1, wrong);
      columns = line.columns;
      previousBegin = line.offset;
      previousEnd = line.sequenceEnd;
      recordsEnd = Math.max(recordsEnd, line.recordEnd);
      starts.add(length++, at);
    }
    return new FaiTable(text, columns === 5 ? "fastq" : "fasta", length, starts, recordsEnd);
  }

  get path(): string {
    return this.#text.path;
  }

  /** What the index says of a row; valid until the next call. @throws InvalidArgumentError */
  at(row: number): FaiLine {
    const bytes = bytesOf(this.#text);
    this.#line.parse(bytes, this.#begin(bytes, row));
    return this.#line;
  }

  name(row: number): string {
    const bytes = bytesOf(this.#text);
    const begin = this.#begin(bytes, row);
    return textOf(bytes, begin, endOfName(bytes, begin));
  }

  /** The first row with a name, or -1. The first call reads all names. */
  indexOf(name: string): number {
    return this.indexOfBytes(new TextEncoder().encode(name));
  }

  /** As {@link indexOf}, of a name that need not be UTF-8. */
  indexOfBytes(wanted: Uint8Array): number {
    this.#names ??= this.#indexNames(() => {});
    const bytes = bytesOf(this.#text);
    return this.#names.find(hashOf(wanted), (row) => {
      const begin = this.#begin(bytes, row);
      return isName(bytes, begin, wanted, 0, wanted.length);
    });
  }

  /** Every row whose name an earlier row has. Reads all names. */
  duplicates(): DuplicateName[] {
    const found: DuplicateName[] = [];
    this.#names = this.#indexNames((row, firstRow) => {
      found.push({ name: this.name(row), row, firstRow });
    });
    return found;
  }

  /** The line of a row with its line feed, in the memory of the text. */
  lineBytes(row: number): Uint8Array {
    const bytes = bytesOf(this.#text);
    const begin = this.#begin(bytes, row);
    return bytes.subarray(begin, endOfLine(bytes, begin));
  }

  close(): void {
    this.#text.close();
  }

  #indexNames(onDuplicate: (row: number, firstRow: number) => void): NameIndex {
    const bytes = bytesOf(this.#text);
    const names = new NameIndex(this.length);
    let begin = 0;
    let end = 0;
    const hasName = (row: number) => isName(bytes, this.#begin(bytes, row), bytes, begin, end);
    for (let row = 0; row < this.length; row++) {
      end = endOfName(bytes, begin);
      const earlier = names.add(row, hashOf(bytes, begin, end), hasName);
      if (earlier >= 0) onDuplicate(row, earlier);
      begin = endOfLine(bytes, end);
    }
    return names;
  }

  #begin(bytes: Uint8Array, row: number): number {
    if (!Number.isInteger(row) || row < 0 || row >= this.length) {
      const expected = this.length === 0 ? "there are none" : `expected 0 to ${this.length - 1}`;
      throw new InvalidArgumentError("row", row, `row ${row}: ${expected}`);
    }
    let begin = this.#starts[Math.floor(row / this.#stride)] as number;
    for (let skip = row % this.#stride; skip > 0; skip--) begin = endOfLine(bytes, begin);
    return begin;
  }
}

/** Line starts, fewer and fewer of them. */
class Starts {
  kept = new Float64Array(1024);
  stride = 1;
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  add(row: number, start: number): void {
    if (row % this.stride !== 0) return;
    let slot = row / this.stride;
    if (slot === this.#most) {
      for (let i = 0; i < this.#most / 2; i++) this.kept[i] = this.kept[2 * i] as number;
      this.stride *= 2;
      slot /= 2;
    } else if (slot === this.kept.length) {
      const larger = new Float64Array(2 * slot);
      larger.set(this.kept);
      this.kept = larger;
    }
    this.kept[slot] = start;
  }
}

function bytesOf(text: ByteSource): Uint8Array {
  text.check();
  return text.bytes ?? new Uint8Array(0);
}

/** What is wrong with a line's numbers, or null. */
function misplaced(
  line: FaiLine,
  textBytes: number,
  previousBegin: number,
  previousEnd: number,
): string | null {
  const { length, offset, lineBases, lineBytes } = line;
  if (lineBytes < lineBases) {
    return `at least as many bytes as residues a line, found ${lineBytes} and ${lineBases}`;
  }
  if (length > 0 && lineBases === 0) return `lines with residues, as there are ${length}`;
  if (length > lineBases && lineBytes === lineBases) return "lines that end with a line feed";
  if (offset < 2) return `an offset behind a header, found ${offset}`;
  const end = line.sequenceEnd;
  if (end > textBytes) {
    return `a sequence inside the file of ${textBytes} bytes, found bytes ${offset} to ${end}`;
  }
  if (offset < previousEnd && end > previousBegin) {
    return `a sequence beside the one before, which has bytes ${previousBegin} to ${previousEnd}, found ${offset} to ${end}`;
  }
  if (line.columns < 5) return null;
  const qualitiesEnd = line.endOf(line.qualitiesOffset);
  if (line.qualitiesOffset < end || qualitiesEnd > textBytes) {
    return `qualities behind the sequence and inside the file of ${textBytes} bytes, found bytes ${line.qualitiesOffset} to ${qualitiesEnd}`;
  }
  return null;
}

function badLine(
  path: string,
  bytes: Uint8Array,
  begin: number,
  line: FaiLine,
  number: number,
  expected: string,
): FormatError {
  const name = textOf(bytes, begin, Math.min(line.nameEnd, begin + 80));
  return new FormatError(
    "bad-fai",
    `line ${number}, ${JSON.stringify(name)}: expected ${expected}`,
    {
      path,
      offset: begin,
      suggestions: ["make the index again: scdl fasta index FILE --overwrite"],
    },
  );
}

function endOfName(bytes: Uint8Array, begin: number): number {
  let at = begin;
  while (at < bytes.length && bytes[at] !== 9) at++;
  return at;
}

/** Where the next line begins. */
function endOfLine(bytes: Uint8Array, begin: number): number {
  let at = begin;
  while (at < bytes.length && bytes[at] !== NEWLINE) at++;
  return at + 1;
}

/** Whether the name at `begin` of a line is `other[from, to)`. */
function isName(bytes: Uint8Array, begin: number, other: Uint8Array, from: number, to: number) {
  if (bytes[begin + to - from] !== 9) return false;
  for (let i = from; i < to; i++) {
    if (bytes[begin + i - from] !== other[i]) return false;
  }
  return true;
}

function textOf(bytes: Uint8Array, begin: number, end: number): string {
  return Buffer.from(bytes.subarray(begin, end)).toString();
}
