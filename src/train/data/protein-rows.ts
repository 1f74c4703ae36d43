/** Proteins one after another, from the places that a command line names. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fromFsError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import { STORE_HEADER } from "../../../formats/protein-store/layout.ts";
import { LoadedProteins } from "../../proteins/loaded-proteins.ts";
import type { ProteinSource } from "../../proteins/protein-source.ts";
import { ProteinStore } from "../../proteins/protein-store.ts";
import { ShardClusters } from "../../proteins/shard-clusters.ts";
import { namesShards } from "../../webdataset/indexed-shards.ts";
import { expandPaths } from "../config/expand-paths.ts";
import type { PreparationProgress } from "./preparation.ts";
import { noProteins } from "./protein-data.ts";

/** Close it (or `using`): stores and shards have open files. */
export type ProteinRows = Pick<ProteinSource, "length" | "id" | "sequence"> & Disposable;

export interface OpenProteinRowsOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: PreparationProgress) => void) | undefined;
}

/**
 * Opens stores, shards and files of proteins as `openProteins()` takes them, in the order they are in;
 * clusters of a store are left alone.
 * @throws as `LoadedProteins.read`, `ProteinStore.open`, `ShardClusters.open`
 */
export async function openProteinRows(
  paths: string | readonly string[],
  options: OpenProteinRowsOptions = {},
): Promise<ProteinRows> {
  const parts: ProteinRows[] = [];
  try {
    for (const path of expandPaths(paths)) parts.push(await open(path, options));
  } catch (error) {
    for (const part of parts) part[Symbol.dispose]();
    throw error;
  }
  const [only, ...more] = parts;
  return only !== undefined && more.length === 0 ? only : joined(parts);
}

async function open(
  path: string,
  { signal, onProgress }: OpenProteinRowsOptions,
): Promise<ProteinRows> {
  if (namesShards(path)) {
    const shards = await ShardClusters.open(path, { signal });
    return {
      length: shards.length,
      id: (row) => shards.memberId(row, 0),
      sequence: (row) => shards.memberSequence(row, 0),
      [Symbol.dispose]: () => shards.close(),
    };
  }
  if (isFolder(path)) {
    if (!existsSync(join(path, STORE_HEADER))) throw noProteins(path);
    const store = ProteinStore.open(path);
    return {
      length: store.length,
      id: (row) => store.id(row),
      sequence: (row) => store.sequence(row),
      [Symbol.dispose]: () => store.close(),
    };
  }
  const loaded = await LoadedProteins.read(path, {
    signal,
    onProgress: (done) => onProgress?.({ label: "reading", done, total: null }),
  });
  onProgress?.({ label: "reading", done: loaded.length, total: loaded.length });
  return {
    length: loaded.length,
    id: (row) => loaded.id(row),
    sequence: (row) => loaded.sequence(row),
    [Symbol.dispose]: () => {},
  };
}

function joined(parts: readonly ProteinRows[]): ProteinRows {
  let length = 0;
  const begins = parts.map((part) => {
    length += part.length;
    return length - part.length;
  });
  const find = (row: number): [ProteinRows, number] => {
    const at = begins.findLastIndex((begin) => begin <= row);
    const part = parts[at];
    if (part !== undefined && row < length) return [part, row - (begins[at] ?? 0)];
    const message = `expected a protein of 0 to ${length - 1}, found ${row}`;
    throw new InvalidArgumentError("row", row, message);
  };
  return {
    length,
    id: (row) => {
      const [part, at] = find(row);
      return part.id(at);
    },
    sequence: (row) => {
      const [part, at] = find(row);
      return part.sequence(at);
    },
    [Symbol.dispose]: () => {
      for (const part of parts) part[Symbol.dispose]();
    },
  };
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw fromFsError(error, path);
  }
}
