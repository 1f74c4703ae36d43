/** The line that names a record: `>name description`. */
import { FormatError } from "../common/errors.ts";
import { byteText, CARRIAGE_RETURN, isSpace } from "./residues.ts";

/** A longer first line is no header but a file of another kind. */
export const MAX_HEADER_BYTES = 2 ** 20;

/** Where the parts of a header are in its bytes. */
export interface HeaderParts {
  nameBegin: number;
  nameEnd: number;
  /** Up to the end of the line, without white space at either end. */
  descriptionBegin: number;
  descriptionEnd: number;
}

/**
 * Finds the parts of `[begin, end)`, the line without its `>` or `@` and without its line feed. The
 * name is what stands before the first white space, after any that comes first, as in samtools.
 *
 * @returns the position of a byte that no text has (a control character), or -1
 */
export function splitHeader(
  bytes: Uint8Array,
  begin: number,
  end: number,
  parts: HeaderParts,
): number {
  let at = begin;
  while (at < end && isSpace(bytes[at] as number)) at++;
  parts.nameBegin = at;
  while (at < end && !isSpace(bytes[at] as number)) {
    if (isControl(bytes[at] as number)) return at;
    at++;
  }
  parts.nameEnd = at;
  while (at < end && isSpace(bytes[at] as number)) at++;
  parts.descriptionBegin = at;
  for (; at < end; at++) {
    if (isControl(bytes[at] as number)) return at;
  }
  while (at > parts.descriptionBegin && isSpace(bytes[at - 1] as number)) at--;
  parts.descriptionEnd = at;
  return -1;
}

function isControl(byte: number): boolean {
  return (byte < 32 && (byte < 9 || byte > CARRIAGE_RETURN)) || byte === 127;
}

/** Where something in a FASTA file was found. */
export interface FastaPlace {
  readonly path: string;
  /** Byte of the text, that is of what a compressed file holds. */
  readonly offset: number;
  /** From 1. */
  readonly line: number;
}

/** A byte in a header that is none of text. */
export function binaryHeader(byte: number, place: FastaPlace): FormatError {
  return new FormatError(
    "bad-header",
    `line ${place.line}: expected the text of a header, found ${byteText(byte)}`,
    {
      path: place.path,
      offset: place.offset,
      suggestions: ["check that it is a FASTA or FASTQ file, and copy it again"],
    },
  );
}
