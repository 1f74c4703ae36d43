/** How many records and residues a FASTA or FASTQ file has, and how long they are. */
import { FastaReader, type FastaReaderOptions } from "../../formats/fasta/fasta-reader.ts";
import type { FastaFormat } from "../../formats/fasta/record-parser.ts";

/** Records between two looks at progress. */
const RECORDS_PER_LOOK = 16_384;

export interface FastaStatsOptions extends FastaReaderOptions {
  readonly onProgress?: ((progress: { readonly records: number }) => void) | undefined;
}

export interface FastaStats {
  readonly path: string;
  /** Null for an empty file. */
  readonly format: FastaFormat | null;
  readonly records: number;
  readonly residues: number;
  /** Lengths of records; 0 where there is none. */
  readonly minLength: number;
  readonly meanLength: number;
  readonly maxLength: number;
  /** Half of the residues are in records of at least this length. */
  readonly n50: number;
}

/** Reads the whole file, as {@link FastaReader} does. Memory does not depend on its size. */
export async function fastaStats(
  path: string,
  options: FastaStatsOptions = {},
): Promise<FastaStats> {
  using reader = await FastaReader.open(path, options);
  const records = new Map<number, number>();
  let [count, residues] = [0, 0];
  for (;;) {
    const more = reader.next();
    if (!(typeof more === "boolean" ? more : await more)) break;
    const { length } = reader;
    records.set(length, (records.get(length) ?? 0) + 1);
    residues += length;
    if (++count % RECORDS_PER_LOOK === 0) options.onProgress?.({ records: count });
  }
  const lengths = [...records.keys()].sort((a, b) => a - b);
  return {
    path,
    format: reader.format,
    records: count,
    residues,
    minLength: lengths[0] ?? 0,
    meanLength: count === 0 ? 0 : residues / count,
    maxLength: lengths.at(-1) ?? 0,
    n50: n50Of(lengths, records, residues),
  };
}

function n50Of(
  lengths: readonly number[],
  records: ReadonlyMap<number, number>,
  residues: number,
): number {
  let sum = 0;
  for (const length of lengths.toReversed()) {
    sum += length * (records.get(length) ?? 0);
    if (sum >= residues / 2) return length;
  }
  return 0;
}
