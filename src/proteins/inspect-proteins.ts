import { statSync } from "node:fs";
import { join } from "node:path";
import { crc32Hex } from "../../formats/common/crc32.ts";
import { fromFsError } from "../../formats/common/errors.ts";
import { Turn } from "../../formats/common/turn.ts";
import { readStoreHeader } from "../../formats/protein-store/store-files.ts";
import { digestFile } from "../../formats/scdl/checksums.ts";
import { openSqlite, sqliteCall } from "../../formats/sqlite/sqlite.ts";
import { ProteinDatabase } from "./protein-database.ts";
import { ProteinStore } from "./protein-store.ts";

export interface InspectProteinsOptions {
  /** Read everything: checksums and arrays of a store, SQLite's own check of a data base. */
  readonly verify?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

export interface ProteinsReport {
  readonly path: string;
  readonly kind: "store" | "database";
  readonly proteins: number;
  /** Null for a data base, which does not keep the sum. */
  readonly residues: number | null;
  /** Null for a data base and a store without clusters. */
  readonly clusters: number | null;
  readonly members: number | null;
  readonly bytesOnDisk: number;
  readonly isVerified: boolean;
  readonly problems: readonly string[];
}

/**
 * Describes a protein store (a folder) or a data base (an SQLite file).
 *
 * @throws NotFoundError, FormatError when it is neither or cannot be opened; StorageError; the
 *   signal's reason
 */
export async function inspectProteins(
  path: string,
  options: InspectProteinsOptions = {},
): Promise<ProteinsReport> {
  try {
    if (!statSync(path).isDirectory()) return inspectDatabase(path, options);
  } catch (error) {
    throw fromFsError(error, path);
  }
  const { files, proteins, sequenceBytes, clusters } = readStoreHeader(path);
  // Compares the lengths of all files.
  ProteinStore.open(path).close();
  const total = [...files.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  const problems: string[] = [];
  if (options.verify === true) {
    let done = 0;
    const turn = new Turn();
    for (const [name, expected] of files) {
      const found = digestFile(join(path, name), {
        onBytes: (bytes) => {
          done += bytes;
          options.onProgress?.({ done, total });
          options.signal?.throwIfAborted();
        },
      });
      await turn.pass(options.signal);
      if (found.crc32 === expected.crc32) continue;
      const crcs = `${crc32Hex(expected.crc32)}, found ${crc32Hex(found.crc32)}`;
      problems.push(`${name}: expected the CRC-32 ${crcs}`);
    }
  }
  return {
    path,
    kind: "store",
    proteins,
    residues: sequenceBytes,
    clusters: clusters?.clusters ?? null,
    members: clusters?.members ?? null,
    bytesOnDisk: total,
    isVerified: options.verify === true,
    problems,
  };
}

function inspectDatabase(path: string, options: InspectProteinsOptions): ProteinsReport {
  using proteins = ProteinDatabase.open(path);
  const problems: string[] = [];
  if (options.verify === true) {
    const database = openSqlite(path);
    try {
      const rows = sqliteCall(path, () => database.prepare("PRAGMA integrity_check").all());
      for (const { integrity_check: problem } of rows) {
        if (problem !== "ok") problems.push(String(problem));
      }
    } finally {
      database.close();
    }
  }
  return {
    path,
    kind: "database",
    proteins: proteins.length,
    residues: null,
    clusters: null,
    members: null,
    bytesOnDisk: statSync(path).size,
    isVerified: options.verify === true,
    problems,
  };
}
