import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

export interface FastaCase {
  /** Base64. */
  readonly text: string;
  /** The index of `samtools faidx`; null where it refuses. */
  readonly fai: string | null;
  /** Name, description, sequence, qualities of pysam.FastxFile; null where it fails. */
  readonly records: readonly (readonly [string, string, string, string | null])[] | null;
  /** Name, begin, end, residues of pysam and pyfaidx; null where the two differ. */
  readonly parts?: readonly (readonly [string, number, number, string])[] | null;
  /** Region and what `samtools faidx` prints for it, null where it fails. */
  readonly regions?: readonly (readonly [string, string | null])[];
}

export interface BgzipCase {
  /** Base64. */
  readonly bytes: string;
  readonly text: string;
  readonly fai: string;
  readonly gzi: string;
}

/** fixtures/fasta/cases.json.gz, see fixtures/generate/fasta_cases.py. */
export function loadFastaCases(): {
  readonly cases: Readonly<Record<string, FastaCase>>;
  readonly bgzip: Readonly<Record<string, BgzipCase>>;
} {
  const file = new URL("../../fixtures/fasta/cases.json.gz", import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(file)).toString("utf8"));
}

export function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, "base64"));
}

/** Bytes in chunks of `size`, each waited for. */
export async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}
