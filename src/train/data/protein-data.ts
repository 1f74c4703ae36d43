/** Clusters of proteins to train on, from the places that a command line names. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  fromFsError,
  InvalidArgumentError,
  NotFoundError,
} from "../../../formats/common/errors.ts";
import { STORE_HEADER } from "../../../formats/protein-store/layout.ts";
import { JoinedClusters } from "../../proteins/joined-clusters.ts";
import { LoadedProteins } from "../../proteins/loaded-proteins.ts";
import type { ClusteredProteins } from "../../proteins/protein-source.ts";
import { ProteinStore } from "../../proteins/protein-store.ts";
import { ShardClusters } from "../../proteins/shard-clusters.ts";
import { SingleClusters } from "../../proteins/single-clusters.ts";
import { namesShards } from "../../webdataset/indexed-shards.ts";
import { expandPaths } from "../config/expand-paths.ts";
import { assertShare, holdOut } from "./hold-out.ts";
import type { PreparationProgress } from "./preparation.ts";

/** Close it (or `using`): a store has open files. */
export interface OpenedProteins extends Disposable {
  readonly train: ClusteredProteins;
  readonly valid: ClusteredProteins | null;
}

export interface OpenProteinsOptions {
  /** Validation proteins, of any kind that `path` may be. */
  readonly validPath?: string | readonly string[] | undefined;
  /** Share of proteins held out for validation where there is no `validPath`. Default 0. */
  readonly validShare?: number | undefined;
  /** Chooses those held out. Default 42. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: PreparationProgress) => void) | undefined;
}

/**
 * Opens a folder made by `scdl proteins build --store`, with its clusters where it has them; shards of
 * proteins, which are read where they are; or a file of them as `LoadedProteins.read()` takes it, read
 * into memory. Without clusters each protein is one of its own. Several places follow one another, and
 * `x[00..11].fasta` is 12 of them.
 */
export async function openProteins(
  path: string | readonly string[],
  options: OpenProteinsOptions = {},
): Promise<OpenedProteins> {
  const { validPath, validShare = 0, seed = 42 } = options;
  assertShare(validShare);
  const opened = await openAll(path, options);
  const sources = [opened];
  const close = () => {
    for (const source of sources) source[Symbol.dispose]();
  };
  try {
    let [train, valid]: [ClusteredProteins, ClusteredProteins | null] = [opened.clusters, null];
    if (validPath !== undefined) {
      const other = await openAll(validPath, options);
      sources.push(other);
      valid = other.clusters;
    } else if (validShare > 0) {
      const [kept, heldOut] = holdOut(train.length, validShare, seed);
      [train, valid] = [chosenClusters(train, kept), chosenClusters(train, heldOut)];
    }
    return { train, valid, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

async function openAll(paths: string | readonly string[], options: OpenProteinsOptions) {
  const sources: Awaited<ReturnType<typeof open>>[] = [];
  const close = () => {
    for (const source of sources) source[Symbol.dispose]();
  };
  try {
    for (const path of expandPaths(paths)) sources.push(await open(path, options));
  } catch (error) {
    close();
    throw error;
  }
  const [only, ...more] = sources;
  if (only !== undefined && more.length === 0) return only;
  const clusters: ClusteredProteins = new JoinedClusters(sources.map((source) => source.clusters));
  return { clusters, [Symbol.dispose]: close };
}

async function open(path: string, { signal, onProgress }: OpenProteinsOptions) {
  if (namesShards(path)) {
    const clusters = await ShardClusters.open(path, { signal });
    return { clusters, [Symbol.dispose]: () => clusters.close() };
  }
  if (isDirectory(path)) {
    if (!existsSync(join(path, STORE_HEADER))) throw noProteins(path);
    const store = ProteinStore.open(path);
    const clusters = store.clusters ?? new SingleClusters(store);
    return { clusters, [Symbol.dispose]: () => store.close() };
  }
  const loaded = await LoadedProteins.read(path, {
    signal,
    onProgress: (done) => onProgress?.({ label: "reading", done, total: null }),
  });
  onProgress?.({ label: "reading", done: loaded.length, total: loaded.length });
  const clusters = new SingleClusters(loaded);
  return { clusters, [Symbol.dispose]: () => {} };
}

export function noProteins(path: string): NotFoundError {
  const message = `${path}: the folder has neither a protein store nor shards *.tar`;
  return new NotFoundError("no-proteins", message, {
    what: path,
    suggestions: [
      "name a file of proteins",
      "make one of several: scdl proteins build FILE... --store DIR",
    ],
  });
}

function chosenClusters(clusters: ClusteredProteins, chosen: Uint32Array): ClusteredProteins {
  const at = (cluster: number): number => {
    const found = chosen[cluster];
    if (found !== undefined) return found;
    const message = `there is no cluster ${cluster}, of ${chosen.length}`;
    throw new InvalidArgumentError("cluster", cluster, message);
  };
  return {
    length: chosen.length,
    size: (cluster) => clusters.size(at(cluster)),
    memberId: (cluster, k) => clusters.memberId(at(cluster), k),
    memberSequence: (cluster, k) => clusters.memberSequence(at(cluster), k),
  };
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw fromFsError(error, path);
  }
}
