/**
 * Files of a protein store and its header; docs/proteins.md describes them.
 *
 * A record is the name of a protein and then its residues: who has found the one has the other in the
 * same lines of the processor's cache. Of the entries that the record offsets divide, 2 x row is the
 * name of a row and the next one its residues.
 */
import { crc32Hex } from "../common/crc32.ts";
import { FormatError, UnsupportedFeatureError } from "../common/errors.ts";
import { HeaderFields } from "../common/header-fields.ts";
import type { FileDigest } from "../common/output-file.ts";

export const STORE_HEADER = "header.json";
export const STORE_FILES = {
  records: "records.bin",
  recordOffsets: "record_offsets.u64",
  nameIndex: "name_index.u32",
  clusterOffsets: "cluster_offsets.u64",
  clusterMembers: "cluster_members.u32",
} as const;
export type StoreFile = (typeof STORE_FILES)[keyof typeof STORE_FILES];

/** Every name that a store may hold: what may be replaced by another one. */
export const STORE_NAMES: ReadonlySet<string> = new Set([
  STORE_HEADER,
  ...Object.values(STORE_FILES),
]);

const FORMAT = "scdl-proteins";
const VERSION = 1;
/** Rows are uint32 and the largest marks an empty slot. */
export const MAX_PROTEINS = 2 ** 32 - 2;
export const SLOT_BYTES = 8;
/** A longer header is none of ours. */
export const MAX_HEADER_BYTES = 1 << 16;

export interface NameIndexShape {
  /** Slots that a hash may point at. */
  readonly homes: number;
  /** Slots in the file: `homes`, and more when the last ones are taken. */
  readonly slots: number;
  /** Slots after its home in which the last name found lies. */
  readonly longestProbe: number;
}

export interface StoreHeader {
  readonly proteins: number;
  readonly sequenceBytes: number;
  readonly nameBytes: number;
  readonly nameIndex: NameIndexShape;
  readonly clusters: { readonly clusters: number; readonly members: number } | null;
  /** Length and CRC-32 of every file. */
  readonly files: ReadonlyMap<StoreFile, FileDigest>;
}

export function encodeStoreHeader(header: StoreHeader): Uint8Array {
  const files = Object.fromEntries(
    [...header.files].map(([name, { bytes, crc32 }]) => [name, { bytes, crc32: crc32Hex(crc32) }]),
  );
  const { proteins, sequenceBytes, nameBytes, nameIndex, clusters } = header;
  const fields = { proteins, sequenceBytes, nameBytes, nameIndex, clusters, files };
  return Buffer.from(
    `${JSON.stringify({ format: FORMAT, version: VERSION, ...fields }, null, 2)}\n`,
  );
}

/** @throws FormatError, UnsupportedFeatureError for a later version */
export function decodeStoreHeader(text: string, path: string): StoreHeader {
  const root = HeaderFields.parse(text, {
    path,
    suggestion: "build the store again: the header is damaged",
  });
  const format = root.value("format");
  if (format !== FORMAT) {
    throw new FormatError(
      "not-a-store",
      `expected format "${FORMAT}", found ${JSON.stringify(format) ?? "none"}`,
      { path, suggestions: ["name the folder that scdl proteins build --store has made"] },
    );
  }
  const version = root.value("version");
  if (version !== VERSION) {
    throw new UnsupportedFeatureError(
      "store version",
      `${path}: expected version ${VERSION}, found ${JSON.stringify(version)}`,
      { suggestions: ["update scdl, or build the store again"] },
    );
  }
  const index = root.fields("nameIndex");
  const clusters = root.value("clusters") === null ? null : root.fields("clusters");
  const header = {
    proteins: root.count("proteins", MAX_PROTEINS),
    sequenceBytes: root.count("sequenceBytes"),
    nameBytes: root.count("nameBytes"),
    nameIndex: {
      homes: index.count("homes", 2 ** 33),
      slots: index.count("slots", 2 ** 33),
      longestProbe: index.count("longestProbe", 2 ** 32),
    },
    clusters:
      clusters === null
        ? null
        : { clusters: clusters.count("clusters"), members: clusters.count("members") },
  };
  if (index.count("homes") > header.nameIndex.slots || header.nameIndex.homes < 1) {
    index.fail("homes", `1 to ${header.nameIndex.slots}`, header.nameIndex.homes);
  }
  const files = new Map<StoreFile, FileDigest>();
  const listed = root.fields("files");
  for (const [name, bytes] of expectedLengths(header)) {
    const digest = listed.fields(name);
    const crc = digest.value("crc32");
    if (digest.count("bytes") !== bytes) digest.fail("bytes", String(bytes), digest.value("bytes"));
    if (typeof crc !== "string" || !/^[0-9a-f]{8}$/.test(crc)) {
      return digest.fail("crc32", "eight hex digits", crc);
    }
    files.set(name, { bytes, crc32: Number.parseInt(crc, 16) });
  }
  return { ...header, files };
}

/** Length of every file that goes with the counts of a header. */
export function expectedLengths(header: Omit<StoreHeader, "files">): Map<StoreFile, number> {
  const lengths = new Map<StoreFile, number>([
    [STORE_FILES.records, header.nameBytes + header.sequenceBytes],
    [STORE_FILES.recordOffsets, 8 * (2 * header.proteins + 1)],
    [STORE_FILES.nameIndex, SLOT_BYTES * header.nameIndex.slots],
  ]);
  if (header.clusters !== null) {
    lengths.set(STORE_FILES.clusterOffsets, 8 * (header.clusters.clusters + 1));
    lengths.set(STORE_FILES.clusterMembers, 4 * header.clusters.members);
  }
  return lengths;
}
