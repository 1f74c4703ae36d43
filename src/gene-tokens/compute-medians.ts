import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { PendingFile, type PendingFileOptions } from "../proteins/pending-file.ts";
import { readGeneDistributions } from "./distributions-file.ts";
import { type CollectMediansOptions, GeneDistributions } from "./gene-distributions.ts";
import { type GeneMedians, writeGeneMedians } from "./gene-medians.ts";
import { GeneTokenizer } from "./gene-tokenizer.ts";
import { type RepeatOptions, requireDifferentPaths } from "./medians-sources.ts";
import type { EnsemblMapping } from "./name-dictionary.ts";

export interface ComputeMediansOptions extends CollectMediansOptions {
  /** Reads the cells a second time for exact medians. Default false: within 0.2 %. */
  readonly exact?: boolean;
}

export interface ComputedMedians {
  readonly medians: GeneMedians;
  readonly cells: number;
  /** Genes whose median is an estimate: those of more than 512 cells, unless `exact`. */
  readonly estimated: number;
}

/**
 * The non-zero median of every gene over data sets, after the counts of each cell were made to sum to
 * 10,000: what Geneformer divides by. One pass in bounded memory, the same for any order of the cells.
 * @throws as {@link GeneDistributions.collect}; InvalidArgumentError when no cell has a gene.
 */
export async function computeGeneMedians(
  paths: readonly string[],
  options: ComputeMediansOptions = {},
): Promise<ComputedMedians> {
  const found = await GeneDistributions.collect(paths, options);
  const isExact = options.exact === true;
  const medians = isExact ? await found.exactMedians(paths, options) : mediansOf(found).medians;
  return { ...mediansOf(found), medians, ...(isExact ? { estimated: 0 } : {}) };
}

/** Medians from distributions. @throws InvalidArgumentError when there is no gene. */
export function mediansOf(distributions: GeneDistributions): ComputedMedians {
  const { cells, size } = distributions;
  if (size === 0) {
    throw new InvalidArgumentError("paths", cells, `none of the ${cells} cells has a gene`, {
      suggestions: ["check the obs column filter_pass", "check the names with --mapping"],
    });
  }
  const estimated = distributions.entries().filter(([, { values }]) => values === null).length;
  return { medians: distributions.medians(), cells, estimated };
}

/**
 * Distributions of several files as one, whatever their order.
 * @throws as `readGeneDistributions`; IncompatibleError "repeated-cells" for files that hold the same
 *   data set
 */
export async function mergeGeneDistributions(
  paths: readonly string[],
  options: RepeatOptions = {},
): Promise<GeneDistributions> {
  requireDifferentPaths(paths, options);
  const merged = new GeneDistributions();
  for (const path of paths) await readGeneDistributions(path, merged, options);
  return merged;
}

/** Writes `medians.json`, complete or not at all. @throws StorageError */
export function saveMedians(
  path: string,
  medians: GeneMedians,
  options: PendingFileOptions = {},
): void {
  save(path, options, (file) => writeGeneMedians(file, medians));
}

/** Writes the vocabulary that BioNeMo makes of medians, with the names of its genes. */
export function saveVocabulary(
  path: string,
  medians: GeneMedians,
  names: EnsemblMapping | null | undefined,
  options: PendingFileOptions = {},
): void {
  const tokenizer = GeneTokenizer.fromMediansAndGenes(medians, names ?? new Map());
  save(path, options, (file) => tokenizer.saveVocab(file));
}

function save(path: string, options: PendingFileOptions, write: (path: string) => void): void {
  const pending = new PendingFile(path, options);
  try {
    write(pending.path);
    pending.commit();
  } catch (error) {
    pending.abort();
    throw error;
  }
}
