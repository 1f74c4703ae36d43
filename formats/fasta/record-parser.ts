/** Records of FASTA and FASTQ in a window of bytes that may end anywhere. */
import { FormatError } from "../common/errors.ts";
import { binaryHeader, MAX_HEADER_BYTES, splitHeader } from "./header-line.ts";
import { byteText, endOfResidues, isSpace, NEWLINE } from "./residues.ts";

export type FastaFormat = "fasta" | "fastq";

/** What {@link RecordParser.parse} found. */
export const PARSED = 0;
export const NEEDS_MORE = 1;
export const END_OF_FILE = 2;

const GREATER = 0x3e;
const AT = 0x40;
const PLUS = 0x2b;

const BETWEEN = 0;
const HEADER = 1;
const RESIDUES = 2;
const SEPARATOR = 3;
const QUALITIES = 4;

/**
 * Finds one record after another and moves its lines together in the window, so that the residues
 * are one run of bytes. It can stop at any byte and go on when the window has more.
 *
 * Only white space is left out of a sequence; what is no printable ASCII is an error. `;` starts no
 * comment, as in samtools.
 */
export class RecordParser {
  readonly #path: string;
  format: FastaFormat | null = null;
  /** Where the next byte to look at is in the window. */
  position = 0;
  readonly header = { nameBegin: 0, nameEnd: 0, descriptionBegin: 0, descriptionEnd: 0 };
  sequenceBegin = 0;
  sequenceEnd = 0;
  qualitiesBegin = 0;
  qualitiesEnd = 0;
  /** Of the record's header, from 1. */
  line = 0;
  /** Of the record's header in the text. */
  offset = 0;
  #state = BETWEEN;
  #recordBegin = 0;
  #atLineStart = true;
  #line = 1;
  /** Offset in the text of the window's first byte. */
  #base = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** The first byte of the window that is still needed. */
  get keepFrom(): number {
    return this.#state === BETWEEN ? this.position : this.#recordBegin;
  }

  /** Says that the window's bytes were moved down. */
  rebase(shift: number): void {
    this.#base += shift;
    this.position -= shift;
    this.#recordBegin -= shift;
    this.header.nameBegin -= shift;
    this.header.nameEnd -= shift;
    this.header.descriptionBegin -= shift;
    this.header.descriptionEnd -= shift;
    this.sequenceBegin -= shift;
    this.sequenceEnd -= shift;
    this.qualitiesBegin -= shift;
    this.qualitiesEnd -= shift;
  }

  /**
   * Goes on in `bytes[position, limit)`. @param isLast whether nothing follows `limit`.
   * @throws FormatError
   */
  parse(bytes: Uint8Array, words: Int32Array, limit: number, isLast: boolean): number {
    for (;;) {
      switch (this.#state) {
        case BETWEEN:
          if (!this.#findHeader(bytes, limit)) return isLast ? END_OF_FILE : NEEDS_MORE;
          break;
        case HEADER:
          if (!this.#readHeader(bytes, limit, isLast)) return NEEDS_MORE;
          break;
        case RESIDUES:
          if (!this.#readResidues(bytes, words, limit)) {
            if (!isLast) return NEEDS_MORE;
            if (this.format === "fastq") throw this.#error("truncated", 'the line "+"', null);
            this.#state = BETWEEN;
          }
          if (this.#state === BETWEEN) return PARSED;
          break;
        case SEPARATOR:
          if (!this.#skipSeparator(bytes, limit, isLast)) return NEEDS_MORE;
          break;
        default:
          if (this.#readQualities(bytes, words, limit, isLast)) {
            this.#state = BETWEEN;
            return PARSED;
          }
          return NEEDS_MORE;
      }
    }
  }

  /** The name of the record that is being read, for errors. */
  nameIn(bytes: Uint8Array): string {
    const { nameBegin, nameEnd } = this.header;
    return Buffer.from(bytes.subarray(nameBegin, Math.min(nameEnd, nameBegin + 80))).toString();
  }

  /** An error at `position`. */
  #error(
    code: string,
    expected: string,
    found: number | string | null,
    bytes?: Uint8Array,
  ): FormatError {
    const what = typeof found === "number" ? byteText(found) : (found ?? "the end of the file");
    const record = bytes === undefined ? "" : `record ${JSON.stringify(this.nameIn(bytes))}, `;
    return new FormatError(
      code,
      `${record}line ${this.#line}: expected ${expected}, found ${what}`,
      {
        path: this.#path,
        offset: this.#base + this.position,
        suggestions: [
          code === "not-fasta"
            ? "give a FASTA (>name) or FASTQ (@name) file"
            : "copy the file again: it is damaged, was cut or is of another kind",
        ],
      },
    );
  }

  /** Past blank lines to the `>` or `@` that begins a record; false when there is none. */
  #findHeader(bytes: Uint8Array, limit: number): boolean {
    while (this.position < limit) {
      const byte = bytes[this.position] as number;
      if (byte === GREATER || byte === AT) {
        this.format ??= byte === GREATER ? "fasta" : "fastq";
        if ((byte === GREATER) === (this.format === "fasta")) {
          this.#recordBegin = this.position;
          this.line = this.#line;
          this.offset = this.#base + this.position;
          this.#state = HEADER;
          return true;
        }
      }
      if (!isSpace(byte)) {
        const wanted = this.format === "fastq" ? '"@"' : this.format === "fasta" ? '">"' : null;
        const code = wanted === null ? "not-fasta" : "bad-record";
        throw this.#error(code, `a record that begins with ${wanted ?? '">" or "@"'}`, byte);
      }
      if (byte === NEWLINE) this.#line++;
      this.position++;
    }
    return false;
  }

  #readHeader(bytes: Uint8Array, limit: number, isLast: boolean): boolean {
    const begin = this.#recordBegin + 1;
    const end = endOfLine(bytes, begin, limit);
    if (end - begin > MAX_HEADER_BYTES) {
      const found = `a line of more than ${MAX_HEADER_BYTES} bytes`;
      throw this.#error("bad-header", "the header of a record", found);
    }
    if (end === limit && !isLast) return false;
    const bad = splitHeader(bytes, begin, end, this.header);
    if (bad >= 0) {
      const place = { path: this.#path, offset: this.#base + bad, line: this.#line };
      throw binaryHeader(bytes[bad] as number, place);
    }
    this.#beginText(end, limit);
    this.sequenceBegin = this.position;
    this.sequenceEnd = this.position;
    this.qualitiesBegin = this.position;
    this.qualitiesEnd = this.position;
    this.#state = RESIDUES;
    return true;
  }

  /** Moves past a line that ends at `end`. */
  #beginText(end: number, limit: number): void {
    this.position = Math.min(end + 1, limit);
    if (end < limit) this.#line++;
    this.#atLineStart = true;
  }

  /** Sequence lines; true at the byte that ends them. */
  #readResidues(bytes: Uint8Array, words: Int32Array, limit: number): boolean {
    const isFastq = this.format === "fastq";
    let { position, sequenceEnd: out } = this;
    let atLineStart = this.#atLineStart;
    let newlines = 0;
    try {
      while (position < limit) {
        const byte = bytes[position] as number;
        if (atLineStart) {
          if (byte === GREATER && !isFastq) {
            this.#state = BETWEEN;
            return true;
          }
          if (isFastq && byte === PLUS) {
            this.#state = SEPARATOR;
            return true;
          }
          if (isFastq && (byte === AT || byte === GREATER)) {
            this.position = position;
            this.#line += newlines;
            newlines = 0;
            throw this.#error("bad-record", 'residues or the line "+"', byte, bytes);
          }
        }
        const end = endOfResidues(bytes, words, position, limit);
        if (end > position) {
          if (out !== position) bytes.copyWithin(out, position, end);
          out += end - position;
          position = end;
          atLineStart = false;
          if (position === limit) break;
        }
        if (bytes[position] === NEWLINE) {
          newlines++;
          atLineStart = true;
          position++;
        } else {
          this.#line += newlines;
          newlines = 0;
          position = this.#pastSpace(bytes, position, "residues");
          atLineStart = false;
        }
      }
      return false;
    } finally {
      this.position = position;
      this.sequenceEnd = out;
      this.#line += newlines;
      this.#atLineStart = atLineStart;
    }
  }

  /** One byte that is no residue: white space is passed over, all else is an error. */
  #pastSpace(bytes: Uint8Array, position: number, expected: string): number {
    const byte = bytes[position] as number;
    if (byte === NEWLINE) {
      this.#line++;
      this.#atLineStart = true;
    } else if (isSpace(byte)) {
      this.#atLineStart = false;
    } else {
      this.position = position;
      throw this.#error("bad-sequence", expected, byte, bytes);
    }
    return position + 1;
  }

  #skipSeparator(bytes: Uint8Array, limit: number, isLast: boolean): boolean {
    const end = endOfLine(bytes, this.position, limit);
    if (end === limit && !isLast) return false;
    this.#beginText(end, limit);
    this.qualitiesBegin = this.position;
    this.qualitiesEnd = this.position;
    this.#state = QUALITIES;
    return true;
  }

  /** Quality lines until there are as many as residues. */
  #readQualities(bytes: Uint8Array, words: Int32Array, limit: number, isLast: boolean): boolean {
    const wanted = this.sequenceEnd - this.sequenceBegin;
    while (this.position < limit) {
      const count = this.qualitiesEnd - this.qualitiesBegin;
      if (count === wanted && this.#atLineStart) return true;
      const end = endOfResidues(bytes, words, this.position, limit);
      if (count + end - this.position > wanted) {
        throw this.#error("bad-qualities", qualitiesFor(wanted), "more", bytes);
      }
      if (end > this.position) {
        if (this.qualitiesEnd !== this.position) {
          bytes.copyWithin(this.qualitiesEnd, this.position, end);
        }
        this.qualitiesEnd += end - this.position;
        this.position = end;
        this.#atLineStart = false;
        if (end === limit) break;
      }
      this.position = this.#pastSpace(bytes, this.position, "qualities");
    }
    const count = this.qualitiesEnd - this.qualitiesBegin;
    if (!isLast) return count === wanted && this.#atLineStart;
    if (count === wanted) return true;
    const found = `${count} at the end of the file`;
    throw this.#error("truncated", qualitiesFor(wanted), found, bytes);
  }
}

function endOfLine(bytes: Uint8Array, begin: number, limit: number): number {
  const found = bytes.indexOf(NEWLINE, begin);
  return found < 0 || found > limit ? limit : found;
}

function qualitiesFor(residues: number): string {
  return `${residues} qualities, one for each residue`;
}
