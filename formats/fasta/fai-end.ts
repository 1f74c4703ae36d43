/** Whether an index knows the records up to the end of its file. */
import type { ByteSource } from "../bytes/byte-source.ts";
import { FormatError } from "../common/errors.ts";
import type { FaiTable } from "./fai-table.ts";
import { splitHeader } from "./header-line.ts";
import { isResidue, isSpace, NEWLINE } from "./residues.ts";

/** What is looked at behind the last record of an index. */
const WINDOW_BYTES = 2 ** 20;
const FASTA = 0x3e;
const FASTQ = 0x40;

/**
 * Behind the last record may stand white space and what an index leaves out: records without
 * residues, and ones whose name came before. The first MiB is looked at.
 *
 * @param text the sequences' file
 * @throws FormatError "stale-index" about the index
 */
export function assertReachesEnd(table: FaiTable, text: ByteSource): void {
  const begin = table.recordsEnd;
  const rest = new Uint8Array(Math.min(WINDOW_BYTES, text.byteLength - begin));
  text.readInto(begin, rest);
  let at = 0;
  // Residues on the same line are found when the record is read.
  if (table.length > 0) while (at < rest.length && rest[at] !== NEWLINE) at++;
  while (at < rest.length && isSpace(rest[at] as number)) at++;
  if (at === rest.length) return;
  const first = rest[at] as number;
  const isEitherAllowed = table.length === 0 && first === FASTQ;
  const marker = table.format === "fastq" || isEitherAllowed ? FASTQ : FASTA;
  if (first !== marker) {
    throw staleIndex(table, `it ends before byte ${begin + at} of ${text.path}, which goes on`);
  }
  const parts = { nameBegin: 0, nameEnd: 0, descriptionBegin: 0, descriptionEnd: 0 };
  while (at < rest.length) {
    const end = rest.indexOf(NEWLINE, at);
    if (end < 0) return;
    splitHeader(rest, at + 1, end, parts);
    const name = rest.subarray(parts.nameBegin, parts.nameEnd);
    const next = rest[end + 1] ?? NEWLINE;
    if (isResidue(next) && next !== marker && table.indexOfBytes(name) < 0) {
      const said = JSON.stringify(Buffer.from(name.subarray(0, 80)).toString());
      throw staleIndex(table, `it lacks record ${said} at byte ${begin + at} of ${text.path}`);
    }
    // In FASTQ a line of qualities may begin as a header does: no further.
    if (marker === FASTQ) return;
    at = nextHeader(rest, end);
  }
}

/** Where the next line begins that is a header of FASTA, or the end. */
function nextHeader(bytes: Uint8Array, from: number): number {
  for (let feed = from; feed >= 0; feed = bytes.indexOf(NEWLINE, feed + 1)) {
    if (bytes[feed + 1] === FASTA) return feed + 1;
  }
  return bytes.length;
}

function staleIndex(table: FaiTable, found: string): FormatError {
  return new FormatError("stale-index", `expected all records of the file, but ${found}`, {
    path: table.path,
    suggestions: [
      "the index was cut or is of another file: make it again with scdl fasta index FILE --overwrite",
    ],
  });
}
