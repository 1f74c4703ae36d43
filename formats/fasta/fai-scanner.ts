/** Finds what an index of FASTA or FASTQ says of each record, as samtools does. */
import { FormatError } from "../common/errors.ts";
import { binaryHeader, MAX_HEADER_BYTES, splitHeader } from "./header-line.ts";
import type { FastaFormat } from "./record-parser.ts";
import { byteText, CARRIAGE_RETURN, endOfResidues, isSpace, NEWLINE } from "./residues.ts";

/** One line of an index. The object and the name's bytes are overwritten by the next. */
export interface FaiEntry {
  /** The name is `header[nameBegin, nameEnd)`. */
  readonly header: Uint8Array;
  readonly nameBegin: number;
  readonly nameEnd: number;
  /** Residues. */
  readonly length: number;
  /** Byte of the first residue. */
  readonly offset: number;
  /** Residues and bytes of every line but the last, which may be shorter. */
  readonly lineBases: number;
  readonly lineBytes: number;
  /** Byte of the first quality; 0 in FASTA. */
  readonly qualitiesOffset: number;
}

const BETWEEN = 0;
const HEADER = 1;
const SEQUENCE = 2;
const AFTER_SEQUENCE = 3;
const SEPARATOR = 4;
const QUALITIES = 5;

const MAX_LINE_BYTES = 2 ** 32 - 1;

const GIVE_FASTA = "give a FASTA (>name) or FASTQ (@name) file";
const COPY_AGAIN = "copy the file again: it is damaged or no FASTA or FASTQ file";
const REWRITE = "write it again with lines of one length, or read it as a stream";
const SUGGESTIONS: Readonly<Record<string, string>> = {
  "bad-header": COPY_AGAIN,
  "bad-sequence": COPY_AGAIN,
  truncated: "copy the file again if it was cut, or remove the header without a sequence",
  "bad-qualities": "write the record again with one quality for each residue",
};

/**
 * Fed with the text in pieces of any size; tells every record to `onEntry`. The rules, and what is
 * refused, are those of `samtools faidx` (htslib 1.24), so that the index has its bytes: records
 * without residues are left out, a file that ends with one is refused. Two things are refused that
 * samtools indexes: bytes that are no text, and control characters in a header.
 */
export class FaiScanner {
  readonly #path: string;
  readonly #onEntry: (entry: FaiEntry) => void;
  format: FastaFormat | null = null;
  /** The first record whose residues cannot be found by arithmetic, and its line. */
  irregular: { readonly name: string; readonly line: number } | null = null;
  #state = BETWEEN;
  #line = 1;
  /** Bytes of the text before the piece. */
  #base = 0;
  /** Whether the line under way has begun, its bytes so far and the residues in them. */
  #inLine = false;
  #lineLength = 0;
  #lineResidues = 0;
  #spaceInLine = false;
  /** A CR at the start of a line between records. */
  #afterReturn = false;
  /** Whether the record could end here. */
  #isWhole = false;
  #header = new Uint8Array(256);
  #headerLength = 0;
  readonly #parts = { nameBegin: 0, nameEnd: 0, descriptionBegin: 0, descriptionEnd: 0 };
  readonly #entry = {
    header: this.#header,
    nameBegin: 0,
    nameEnd: 0,
    length: 0,
    offset: 0,
    lineBases: 0,
    lineBytes: 0,
    qualitiesOffset: 0,
  };
  #qualities = 0;
  /** A line with as many bytes as the first but other residues. */
  #isUneven = false;

  constructor(path: string, onEntry: (entry: FaiEntry) => void) {
    this.#path = path;
    this.#onEntry = onEntry;
  }

  /** @param words {@link wordsOf} `bytes` @throws FormatError */
  push(bytes: Uint8Array, words: Int32Array, limit: number): void {
    let at = 0;
    while (at < limit) {
      if (this.#state === HEADER) at = this.#readHeader(bytes, at, limit);
      else if (this.#state === SEPARATOR) at = this.#skipLine(bytes, at, limit);
      else if (this.#inLine) at = this.#readLine(bytes, words, at, limit);
      else at = this.#beginLine(bytes, at);
    }
    this.#base += limit;
  }

  /** After the last piece. @throws FormatError */
  finish(): void {
    if (this.#state === HEADER && this.#headerLength > 0) {
      throw this.#error("truncated", "a sequence after the last header", "the end of the file");
    }
    if (this.#afterReturn) throw this.#error("bad-record", 'CR LF or ">"', "CR alone");
    if (this.#inLine) this.#endLine();
    if (this.#isWhole) this.#emit();
    else throw this.#error("truncated", "a record with a sequence", "the end of the file");
  }

  #emit(): void {
    this.#entry.header = this.#header;
    this.#onEntry(this.#entry);
    this.#isWhole = false;
  }

  /** The first byte of a line decides what the line is. */
  #beginLine(bytes: Uint8Array, at: number): number {
    const byte = bytes[at] as number;
    const isFasta = this.format === "fasta";
    switch (this.#state) {
      case BETWEEN:
        return this.#betweenRecords(byte, at);
      case SEQUENCE:
        if (isFasta && byte === NEWLINE) {
          this.#state = BETWEEN;
          this.#line++;
          return at + 1;
        }
        if (isFasta && byte === 0x3e) return this.#beginHeader(at);
        if (!isFasta && byte === 0x2b) return this.#beginSeparator(at);
        if (!isFasta && byte === NEWLINE) {
          throw this.#error("bad-record", "residues", "an empty line", at);
        }
        break;
      case AFTER_SEQUENCE:
        if (byte === 0x2b) return this.#beginSeparator(at);
        throw this.#error("bad-record", 'the line "+" after a shorter line', byteText(byte), at);
      default:
        if (byte === NEWLINE) {
          if (!this.#isWhole) {
            throw this.#error("bad-record", "qualities", "an empty line", at);
          }
          this.#state = BETWEEN;
          this.#line++;
          return at + 1;
        }
        if (byte === 0x40 && this.#isWhole) return this.#beginHeader(at);
    }
    this.#inLine = true;
    this.#lineLength = 0;
    this.#lineResidues = 0;
    this.#spaceInLine = false;
    if (isFasta) this.#isWhole = true;
    return at;
  }

  #betweenRecords(byte: number, at: number): number {
    if (this.#afterReturn && byte !== NEWLINE) {
      throw this.#error("bad-record", "a line feed after CR", byteText(byte), at);
    }
    this.#afterReturn = byte === CARRIAGE_RETURN;
    if (this.#afterReturn) return at + 1;
    if (byte === NEWLINE) {
      this.#line++;
      return at + 1;
    }
    const format = byte === 0x3e ? "fasta" : byte === 0x40 ? "fastq" : null;
    if (format === null || (this.format !== null && this.format !== format)) {
      const wanted = this.format === null ? '">" or "@"' : this.format === "fasta" ? '">"' : '"@"';
      const code = this.format === null ? "not-fasta" : "bad-record";
      const after = this.format === null ? "" : " after a blank or a shorter line";
      throw this.#error(code, `a record that begins with ${wanted}${after}`, byteText(byte), at);
    }
    this.format = format;
    return this.#beginHeader(at);
  }

  #beginHeader(at: number): number {
    this.#state = HEADER;
    this.#headerLength = 0;
    return at + 1;
  }

  #readHeader(bytes: Uint8Array, at: number, limit: number): number {
    // Not before: a file may end with ">".
    if (this.#isWhole) this.#emit();
    const end = endOfLine(bytes, at, limit);
    const length = this.#headerLength + end - at;
    if (length > MAX_HEADER_BYTES) {
      const found = `a line of more than ${MAX_HEADER_BYTES} bytes`;
      throw this.#error("bad-header", "the header of a record", found, at);
    }
    if (length > this.#header.length) {
      const larger = new Uint8Array(2 * length);
      larger.set(this.#header);
      this.#header = larger;
    }
    this.#header.set(bytes.subarray(at, end), this.#headerLength);
    this.#headerLength = length;
    // So that a file that ends here is told from one that ends with ">".
    if (end === limit) return limit;
    this.#beginSequence(end - length, end + 1);
    return end + 1;
  }

  /** @param begin where the header began, @param at where the sequence does, in the piece */
  #beginSequence(begin: number, at: number): void {
    const parts = this.#parts;
    const bad = splitHeader(this.#header, 0, this.#headerLength, parts);
    if (bad >= 0) {
      const place = { path: this.#path, offset: this.#base + begin + bad, line: this.#line };
      throw binaryHeader(this.#header[bad] as number, place);
    }
    const entry = this.#entry;
    entry.nameBegin = parts.nameBegin;
    entry.nameEnd = parts.nameEnd;
    entry.length = 0;
    entry.offset = this.#base + at;
    entry.lineBases = 0;
    entry.lineBytes = 0;
    entry.qualitiesOffset = 0;
    this.#isUneven = false;
    this.#state = SEQUENCE;
    this.#line++;
  }

  #beginSeparator(at: number): number {
    this.#state = SEPARATOR;
    this.#qualities = 0;
    return at;
  }

  #skipLine(bytes: Uint8Array, at: number, limit: number): number {
    const end = endOfLine(bytes, at, limit);
    if (end === limit) return limit;
    this.#entry.qualitiesOffset = this.#base + end + 1;
    this.#state = QUALITIES;
    this.#line++;
    return end + 1;
  }

  #readLine(bytes: Uint8Array, words: Int32Array, from: number, limit: number): number {
    let at = from;
    while (at < limit) {
      const end = endOfResidues(bytes, words, at, limit);
      if (end > at) {
        if (this.#spaceInLine) this.#markIrregular();
        this.#lineResidues += end - at;
        this.#lineLength += end - at;
        at = end;
        if (at === limit) return at;
      }
      const byte = bytes[at] as number;
      if (byte === NEWLINE) {
        this.#endLine();
        return at + 1;
      }
      if (!isSpace(byte)) {
        const expected = this.#state === SEQUENCE ? "residues" : "qualities";
        throw this.#error("bad-sequence", expected, byteText(byte), at);
      }
      this.#spaceInLine = true;
      this.#lineLength++;
      at++;
    }
    return at;
  }

  #endLine(): void {
    this.#inLine = false;
    const lineBytes = this.#lineLength + 1;
    const residues = this.#lineResidues;
    if (lineBytes > MAX_LINE_BYTES) {
      throw this.#error("line-too-long", "a line below 4 GiB", `${lineBytes} bytes`);
    }
    if (this.#state === SEQUENCE) this.#endSequenceLine(lineBytes, residues);
    else this.#endQualityLine(lineBytes, residues);
    this.#line++;
  }

  #endSequenceLine(lineBytes: number, residues: number): void {
    const entry = this.#entry;
    entry.length += residues;
    if (entry.lineBytes === 0) {
      entry.lineBytes = lineBytes;
      entry.lineBases = residues;
      return;
    }
    if (lineBytes > entry.lineBytes) {
      const expected = `lines of ${entry.lineBytes} bytes as the first, but for the last`;
      throw this.#error("different-line-length", expected, `one of ${lineBytes}`);
    }
    if (entry.lineBases === 0 && residues > 0) {
      throw this.#error("bad-record", "no residues after a line of white space", `${residues}`);
    }
    if (this.#isUneven || residues > entry.lineBases) this.#markIrregular();
    this.#isUneven = residues !== entry.lineBases;
    if (lineBytes < entry.lineBytes) {
      this.#state = this.format === "fasta" ? BETWEEN : AFTER_SEQUENCE;
    }
  }

  #endQualityLine(lineBytes: number, count: number): void {
    const { length, lineBytes: expected } = this.#entry;
    this.#qualities += count;
    const wanted = `${length} qualities in lines as those of the residues`;
    if (lineBytes > expected) {
      throw this.#error("bad-qualities", wanted, `a line of ${lineBytes} bytes`);
    }
    if (this.#qualities > length) throw this.#error("bad-qualities", wanted, "more");
    if (this.#qualities === length) this.#isWhole = true;
    else if (lineBytes < expected) {
      throw this.#error("bad-qualities", wanted, `a line of ${lineBytes} bytes`);
    }
  }

  #markIrregular(): void {
    this.irregular ??= { name: this.#name(), line: this.#line };
  }

  #name(): string {
    const { nameBegin, nameEnd } = this.#entry;
    return Buffer.from(
      this.#header.subarray(nameBegin, Math.min(nameEnd, nameBegin + 80)),
    ).toString();
  }

  /** @param at in the piece, where it is known */
  #error(code: string, expected: string, found: string, at?: number): FormatError {
    const isInRecord = this.#state !== BETWEEN && this.#state !== HEADER;
    const record = isInRecord ? `record ${JSON.stringify(this.#name())}, ` : "";
    return new FormatError(
      code,
      `${record}line ${this.#line}: expected ${expected}, found ${found}`,
      {
        path: this.#path,
        ...(at === undefined ? {} : { offset: this.#base + at }),
        suggestions: [this.format === null ? GIVE_FASTA : (SUGGESTIONS[code] ?? REWRITE)],
      },
    );
  }
}

function endOfLine(bytes: Uint8Array, begin: number, limit: number): number {
  const found = bytes.indexOf(NEWLINE, begin);
  return found < 0 || found > limit ? limit : found;
}
