/** Residues of a record out of its lines. */
import type { ByteSource } from "../bytes/byte-source.ts";
import { FormatError } from "../common/errors.ts";
import type { FaiLine } from "./fai-line.ts";
import { type HeaderParts, MAX_HEADER_BYTES, splitHeader } from "./header-line.ts";
import { byteText, endOfResidues, isResidue, isSpace, NEWLINE, wordsOf } from "./residues.ts";

/** Below, copying byte by byte is faster than a call for each line. */
const SHORT_LINE = 200;
/** Read for a header at first; most are shorter. */
const HEADER_WINDOW_BYTES = 256;

/** Reads what an index points at, and checks that it is residues with line feeds around them. */
export class LineReader {
  readonly #text: ByteSource;
  readonly #indexPath: string;
  readonly #parts: HeaderParts = {
    nameBegin: 0,
    nameEnd: 0,
    descriptionBegin: 0,
    descriptionEnd: 0,
  };
  /** Offset of the record whose header was found right last. */
  #checkedOffset = -1;

  constructor(text: ByteSource, indexPath: string) {
    this.#text = text;
    this.#indexPath = indexPath;
  }

  /**
   * Residues `begin` to `end - 1` of those at `offset`, in new memory.
   *
   * @param offset of the record's residues or qualities
   * @throws FormatError "stale-index" when anything else is there
   */
  read(line: FaiLine, offset: number, begin: number, end: number): Uint8Array<ArrayBuffer> {
    const target = new Uint8Array(end - begin);
    if (end === begin) return target;
    const { lineBases, lineBytes } = line;
    const column = begin % lineBases;
    const first = offset + Math.floor(begin / lineBases) * lineBytes + column;
    const last = end - 1;
    const limit = offset + Math.floor(last / lineBases) * lineBytes + (last % lineBases) + 1;
    // More on both sides of the record: its header before, a byte that is none of it after.
    const isAtHeader = first === line.offset;
    const lead = isAtHeader ? Math.min(first, HEADER_WINDOW_BYTES) : begin === 0 ? 1 : 0;
    const after = end === line.length && limit < this.#text.byteLength ? 1 : 0;
    const raw = this.#bytes(first - lead, limit + after);
    if (lead > 0 && raw[lead - 1] !== NEWLINE) {
      throw this.#stale(first - 1, raw[lead - 1] as number, "LF");
    }
    if (isAtHeader && hasHeader(raw, lead - 1, line)) this.#checkedOffset = first;
    else this.checkHeader(line);
    if (after === 1 && isResidue(raw[raw.length - 1] as number)) {
      throw this.#stale(limit, raw[raw.length - 1] as number, "the end of the record");
    }
    const wrong = copyLines(raw, lead, target, lineBases - column, line);
    if (wrong >= 0) throw this.#stale(first - lead + wrong, raw[wrong] as number, "a line's end");
    const bad = endOfResidues(target, wordsOf(target), 0, target.length);
    if (bad < target.length) throw this.#stale(first, target[bad] as number, "residues");
    return target;
  }

  /** That a record's header, with its name, stands before its residues. */
  checkHeader(line: FaiLine): void {
    const end = line.offset - 1;
    if (end + 1 === this.#checkedOffset) return;
    const { header, offset } = this.#lineBefore(end);
    const parts = this.#parts;
    splitHeader(header, Math.min(1, header.length), header.length, parts);
    const { nameBegin, nameEnd, descriptionEnd } = parts;
    const isHeader = header[0] === markerOf(line);
    // Some tools write the whole header into the index.
    const isNamed =
      line.isNamed(header, nameBegin, nameEnd) || line.isNamed(header, nameBegin, descriptionEnd);
    if (!isHeader || !isNamed) {
      const wanted = `the header of ${said(line.text.subarray(line.nameBegin, line.nameEnd))}`;
      throw this.#wrong(offset, wanted, said(header));
    }
    this.#checkedOffset = end + 1;
  }

  /** The line whose line feed is at `end`, at most as long as a header can be. */
  #lineBefore(end: number): { header: Uint8Array; offset: number } {
    for (let size = HEADER_WINDOW_BYTES; ; size *= 4) {
      const begin = Math.max(0, end - size);
      const window = this.#bytes(begin, end + 1);
      const last = end - begin;
      if (window[last] !== NEWLINE) throw this.#stale(end, window[last] as number, "LF");
      const feed = window.lastIndexOf(NEWLINE, last - 1);
      if (feed >= 0 || begin === 0 || size > MAX_HEADER_BYTES) {
        return { header: window.subarray(feed + 1, last), offset: begin + feed + 1 };
      }
    }
  }

  /** Mapped memory where there is some; never to be handed on. */
  #bytes(begin: number, end: number): Uint8Array {
    const { bytes } = this.#text;
    if (bytes !== null) {
      this.#text.check();
      return bytes.subarray(begin, end);
    }
    const read = new Uint8Array(end - begin);
    this.#text.readInto(begin, read);
    return read;
  }

  #stale(offset: number, byte: number, expected: string): FormatError {
    return this.#wrong(offset, expected, byte === NEWLINE ? "LF" : byteText(byte));
  }

  #wrong(offset: number, expected: string, found: string): FormatError {
    return new FormatError(
      "stale-index",
      `its index (${this.#indexPath}) is wrong here: expected ${expected}, found ${found}`,
      {
        path: this.#text.path,
        offset,
        suggestions: [
          "make the index again, if the file was changed: scdl fasta index FILE --overwrite",
          "write the file again without white space among residues",
        ],
      },
    );
  }
}

/** Whether the line whose line feed is at `last` is seen at once to be the header of a record. */
function hasHeader(bytes: Uint8Array, last: number, line: FaiLine): boolean {
  let at = last - 1;
  while (at >= 0 && bytes[at] !== NEWLINE) at--;
  const nameEnd = at + 2 + line.nameEnd - line.nameBegin;
  if (at < 0 || nameEnd > last || bytes[at + 1] !== markerOf(line)) return false;
  return isSpace(bytes[nameEnd] as number) && line.isNamed(bytes, at + 2, nameEnd);
}

/** What a header begins with. */
function markerOf(line: FaiLine): number {
  return line.columns === 5 ? 0x40 : 0x3e;
}

/** The beginning of a name or a line, as an error shows it. */
function said(bytes: Uint8Array): string {
  return JSON.stringify(Buffer.from(bytes.subarray(0, 80)).toString());
}

/**
 * @param room residues left on the first line
 * @returns the first byte between two lines that cannot be there, or -1
 */
function copyLines(
  raw: Uint8Array,
  from: number,
  target: Uint8Array,
  room: number,
  { lineBases, lineBytes }: FaiLine,
): number {
  const gap = lineBytes - lineBases;
  let at = from;
  let done = 0;
  for (let left = room; done < target.length; left = lineBases) {
    const count = Math.min(left, target.length - done);
    if (count < SHORT_LINE) {
      for (let i = 0; i < count; i++) target[done + i] = raw[at + i] as number;
    } else {
      target.set(raw.subarray(at, at + count), done);
    }
    done += count;
    at += count + gap;
    if (done === target.length) break;
    if (raw[at - 1] !== NEWLINE) return at - 1;
    if (isResidue(raw[at - gap] as number)) return at - gap;
  }
  return -1;
}
