/** Clusters of proteins to train on, from the places that a command line names. */
import { statSync } from "node:fs";
import { fromFsError, InvalidArgumentError } from "../../formats/common/errors.ts";
import { LoadedProteins } from "../proteins/loaded-proteins.ts";
import type { ClusteredProteins } from "../proteins/protein-source.ts";
import { ProteinStore } from "../proteins/protein-store.ts";
import { SingleClusters } from "../proteins/single-clusters.ts";
import { defaultRng } from "../random/numpy-generator.ts";

/** Keeps the rows that are held out apart from other uses of the seed. */
const HOLD_OUT = 0x5ca1;

/** Close it (or `using`): a store has open files. */
export interface OpenedProteins extends Disposable {
  readonly train: ClusteredProteins;
  readonly valid: ClusteredProteins | null;
}

export interface OpenProteinsOptions {
  /** Validation proteins, of any kind that `path` may be. */
  readonly validPath?: string | undefined;
  /** Share of proteins held out for validation where there is no `validPath`. Default 0. */
  readonly validShare?: number | undefined;
  /** Chooses those held out. Default 42. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a folder made by `scdl proteins build --store`, with its clusters where it has them, or a
 * file: FASTA, FASTQ, an SQLite data base, a parquet table with `id` and `sequence`. Files are read
 * into memory, and each of their proteins is a cluster of its own.
 */
export async function openProteins(
  path: string,
  options: OpenProteinsOptions = {},
): Promise<OpenedProteins> {
  const { validPath, validShare = 0, seed = 42, signal } = options;
  if (!(validShare >= 0 && validShare < 1)) {
    const message = `validShare is ${validShare}, expected 0 or more and less than 1`;
    throw new InvalidArgumentError("validShare", validShare, message);
  }
  const opened = await open(path, signal);
  const sources = [opened];
  const close = () => {
    for (const source of sources) source[Symbol.dispose]();
  };
  try {
    let [train, valid]: [ClusteredProteins, ClusteredProteins | null] = [opened.clusters, null];
    if (validPath !== undefined) {
      const other = await open(validPath, signal);
      sources.push(other);
      valid = other.clusters;
    } else if (validShare > 0) {
      [train, valid] = split(train, validShare, seed);
    }
    return { train, valid, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

async function open(path: string, signal: AbortSignal | undefined) {
  if (isDirectory(path)) {
    const store = ProteinStore.open(path);
    const clusters = store.clusters ?? new SingleClusters(store);
    return { clusters, [Symbol.dispose]: () => store.close() };
  }
  const clusters = new SingleClusters(await LoadedProteins.read(path, { signal }));
  return { clusters, [Symbol.dispose]: () => {} };
}

function split(
  clusters: ClusteredProteins,
  share: number,
  seed: number,
): [ClusteredProteins, ClusteredProteins] {
  const count = Math.round(clusters.length * share);
  const order = defaultRng([HOLD_OUT, seed]).permutation(clusters.length);
  return [order.slice(count).sort(), order.slice(0, count).sort()].map(
    (chosen) => chosenClusters(clusters, chosen),
    // proof: of two come two
  ) as [ClusteredProteins, ClusteredProteins];
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
