import { join } from "node:path";
import type { ByteSource } from "../bytes/byte-source.ts";
import { CheckGate } from "../bytes/check-gate.ts";
import { FileSource } from "../bytes/file-source.ts";
import { type OpenSourceOptions, openSource } from "../bytes/open-source.ts";
import { FormatError, isScdlError } from "../common/errors.ts";
import {
  decodeStoreHeader,
  expectedLengths,
  MAX_HEADER_BYTES,
  STORE_FILES,
  STORE_HEADER,
  type StoreFile,
  type StoreHeader,
} from "./layout.ts";
import { NameIndex } from "./name-index.ts";
import { RaggedBytes } from "./ragged-bytes.ts";

/** The opened files of a store, each as long as the header says. */
export interface StoreFiles {
  readonly header: StoreHeader;
  readonly gate: CheckGate;
  /** Entry 2 x row is the name of a row, the next one its residues. */
  readonly records: RaggedBytes;
  readonly index: NameIndex;
  /** Members of cluster i are [begin, end) of {@link members}; null without clusters. */
  readonly clusters: RaggedBytes | null;
  /** uint32 rows. */
  readonly members: ByteSource | null;
  close(): void;
}

/** @throws NotFoundError, StorageError, FormatError, UnsupportedFeatureError */
export function openStoreFiles(directory: string, options: OpenSourceOptions = {}): StoreFiles {
  const header = readStoreHeader(directory);
  const sources = new Map<StoreFile, ByteSource>();
  const close = () => {
    for (const source of sources.values()) source.close();
  };
  try {
    for (const [name, bytes] of expectedLengths(header)) {
      const source = openSource(join(directory, name), options);
      sources.set(name, source);
      if (source.byteLength !== bytes) {
        throw new FormatError(
          source.byteLength < bytes ? "truncated" : "too-long",
          `expected ${bytes} bytes, found ${source.byteLength}`,
          { path: source.path, suggestions: ["copy the store again, or build it again"] },
        );
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  // The loop above has opened each of them.
  const source = (name: StoreFile) => sources.get(name) as ByteSource;
  const records = new RaggedBytes(source(STORE_FILES.records), source(STORE_FILES.recordOffsets));
  const gate = new CheckGate([...sources.values()]);
  const { clusters } = header;
  return {
    header,
    gate,
    records,
    index: new NameIndex(source(STORE_FILES.nameIndex), header.nameIndex, records),
    clusters:
      clusters === null
        ? null
        : new RaggedBytes(null, source(STORE_FILES.clusterOffsets), clusters.members),
    members: clusters === null ? null : source(STORE_FILES.clusterMembers),
    close: () => {
      gate.shut();
      close();
    },
  };
}

/** The checked header of a store. */
export function readStoreHeader(directory: string): StoreHeader {
  const path = join(directory, STORE_HEADER);
  using file = openHeader(path);
  if (file.byteLength > MAX_HEADER_BYTES) {
    throw new FormatError(
      "bad-header",
      `expected at most ${MAX_HEADER_BYTES} bytes, found ${file.byteLength}`,
      { path },
    );
  }
  return decodeStoreHeader(Buffer.from(file.read(0, file.byteLength)).toString(), path);
}

function openHeader(path: string): FileSource {
  try {
    return FileSource.open(path);
  } catch (error) {
    if (!isScdlError(error, "no-such-file")) throw error;
    throw new FormatError("not-a-store", "expected the header of a protein store, found none", {
      path,
      cause: error,
      suggestions: ["check the path", "scdl proteins build --store makes one"],
    });
  }
}
