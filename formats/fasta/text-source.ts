/** The text of a FASTA file that can be read at any place: plain, or compressed by bgzip. */
import { existsSync, readFileSync } from "node:fs";
import type { ByteSource } from "../bytes/byte-source.ts";
import { compressionOf, MAGIC_BYTES } from "../bytes/decompress.ts";
import { type OpenSourceOptions, openSource } from "../bytes/open-source.ts";
import { fromFsError, UnsupportedFeatureError } from "../common/errors.ts";
import { BGZF_HEADER_BYTES, isBgzf } from "./bgzf.ts";
import { BgzfSource } from "./bgzf-source.ts";
import { BlockIndex } from "./gzi.ts";

/** The file as it is, and whether it consists of bgzip's blocks. The caller closes. */
export function openFastaBytes(
  path: string,
  options: OpenSourceOptions = {},
): { source: ByteSource; isBlocked: boolean } {
  const source = openSource(path, options);
  try {
    const head = new Uint8Array(Math.min(BGZF_HEADER_BYTES, source.byteLength));
    source.readInto(0, head);
    if (isBgzf(head)) return { source, isBlocked: true };
    const compression = compressionOf(head.subarray(0, MAGIC_BYTES), path);
    if (compression === null) return { source, isBlocked: false };
    throw new UnsupportedFeatureError(
      compression,
      `${path}: ${compression} without bgzip's blocks cannot be read at random places`,
      {
        suggestions: [
          `compress it with bgzip instead (${compression} -dc FILE | bgzip > FILE.gz)`,
          "read it from start to end with FastaReader",
        ],
      },
    );
  } catch (error) {
    source.close();
    throw error;
  }
}

/** The text; a bgzip file's blocks come from the `.gzi` beside it, or from their headers. */
export function openFastaText(path: string, options: OpenSourceOptions = {}): ByteSource {
  const { source, isBlocked } = openFastaBytes(path, options);
  if (!isBlocked) return source;
  try {
    return new BgzfSource(source, blockIndexOf(path, source));
  } catch (error) {
    source.close();
    throw error;
  }
}

function blockIndexOf(path: string, source: ByteSource): BlockIndex {
  const gzi = `${path}.gzi`;
  if (!existsSync(gzi)) return BlockIndex.scan(source);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(gzi);
  } catch (error) {
    throw fromFsError(error, gzi);
  }
  return BlockIndex.parse(bytes, gzi, source);
}
