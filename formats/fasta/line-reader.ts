/** Residues of a record out of its lines. */
import type { ByteSource } from "../bytes/byte-source.ts";
import { FormatError } from "../common/errors.ts";
import type { FaiLine } from "./fai-line.ts";
import { byteText, endOfResidues, isResidue, NEWLINE, wordsOf } from "./residues.ts";

/** Below, copying byte by byte is faster than a call for each line. */
const SHORT_LINE = 200;

/** Reads what an index points at, and checks that it is residues with line feeds around them. */
export class LineReader {
  readonly #text: ByteSource;
  readonly #indexPath: string;

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
    // One byte more on both sides of the record: a line feed before, none of the record after.
    const before = begin === 0 ? 1 : 0;
    const after = end === line.length && limit < this.#text.byteLength ? 1 : 0;
    const raw = this.#bytes(first - before, limit + after);
    if (before === 1 && raw[0] !== NEWLINE) throw this.#stale(first - 1, raw[0] as number, "LF");
    if (after === 1 && isResidue(raw[raw.length - 1] as number)) {
      throw this.#stale(limit, raw[raw.length - 1] as number, "the end of the record");
    }
    const wrong = copyLines(raw, before, target, lineBases - column, line);
    if (wrong >= 0) throw this.#stale(first - before + wrong, raw[wrong] as number, "a line's end");
    const bad = endOfResidues(target, wordsOf(target), 0, target.length);
    if (bad < target.length) throw this.#stale(first, target[bad] as number, "residues");
    return target;
  }

  /** That a line feed stands before a record. */
  checkBegin(line: FaiLine): void {
    const [before] = this.#bytes(line.offset - 1, line.offset);
    if (before !== NEWLINE) throw this.#stale(line.offset - 1, before as number, "LF");
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
    const found = byte === NEWLINE ? "LF" : byteText(byte);
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
