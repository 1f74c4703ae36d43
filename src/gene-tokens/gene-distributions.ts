import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { CellFingerprint, type MediansSource } from "./cell-fingerprint.ts";
import { type CellSource, type OpenCellsOptions, openCells } from "./cell-source.ts";
import { ExactMiddles } from "./exact-middles.ts";
import type { GeneMedians } from "./gene-medians.ts";
import {
  MediansSources,
  type MergeOptions,
  type RepeatOptions,
  requireDifferentPaths,
} from "./medians-sources.ts";
import type { EnsemblMapping } from "./name-dictionary.ts";
import { addNormalised, GeneNumbers, type NormalisedValuesOptions } from "./normalised-values.ts";
import { ValueDistribution } from "./value-distribution.ts";
import { type TakeValues, ValuesByGene } from "./values-by-gene.ts";

export interface CollectMediansOptions extends RepeatOptions {
  /** Names to Ensembl ids; names that it lacks are left out. Default: the names are the ids. */
  readonly mapping?: EnsemblMapping | null;
  /** Var column with the names. Default: the first there is of feature_id, ensembl_id, names. */
  readonly genes?: string;
  /** For h5ad files: `raw`, `X` or `layers/NAME`. Default raw where there is one, else X. */
  readonly matrix?: string;
  /** Obs column with the counts of each cell; null for their sums. Default "n_counts" if there. */
  readonly nCounts?: string | null;
  /** Obs column with 1 for the cells wanted; null for all. Default "filter_pass" if there. */
  readonly filterPass?: string | null;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: MediansProgress) => void;
}

export interface MediansProgress {
  /** 1, or from 2 on while exact medians are read. */
  readonly pass: number;
  /** Rows read in this pass, of all data sets. */
  readonly rows: number;
  readonly totalRows: number;
}

/**
 * How the counts of each gene are distributed over the cells that have it, after every cell's were
 * made to sum to 10,000: what its median is made of. Parts of a collection add up, in any order.
 */
export class GeneDistributions {
  /** Cells that were wanted. */
  cells = 0;
  readonly #genes = new Map<string, ValueDistribution>();
  readonly #sources = new MediansSources();

  /**
   * Reads data sets (SCDL directories, h5ad and 10x files) once.
   * @throws what opening them throws; IncompatibleError "repeated-cells" for a data set that is there
   *   twice, also as a copy or in another format; InvalidArgumentError for cell counts that are not above zero;
   *   FormatError for negative values.
   */
  static async collect(
    paths: readonly string[],
    options: CollectMediansOptions = {},
  ): Promise<GeneDistributions> {
    const found = new GeneDistributions();
    const numbers = new GeneNumbers(options.mapping ?? null);
    const values: ValueDistribution[] = [];
    requireDifferentPaths(paths, options);
    const take: TakeValues = (gene, added, begin, end) => {
      let distribution = values[gene];
      if (distribution === undefined) {
        distribution = new ValueDistribution();
        values[gene] = distribution;
      }
      distribution.addAll(added, begin, end);
    };
    found.cells = await readAll(paths, options, 1, numbers, take, (source) =>
      found.#sources.add([source], options),
    );
    values.forEach((distribution, gene) => {
      found.#genes.set(numbers.ids[gene] as string, distribution);
    });
    return found;
  }

  /** Genes that a cell has, by id in the order of their code points. */
  entries(): [gene: string, values: ValueDistribution][] {
    return [...this.#genes].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Data sets that were counted, as far as they are known. */
  get sources(): readonly MediansSource[] {
    return this.#sources.list();
  }

  /** Adds to `sources` and nothing else. @throws IncompatibleError "repeated-cells" */
  addSources(sources: readonly MediansSource[], options: RepeatOptions = {}): void {
    this.#sources.add(sources, options);
  }

  get size(): number {
    return this.#genes.size;
  }

  /** The distribution of a gene, made when there is none. */
  of(gene: string): ValueDistribution {
    let found = this.#genes.get(gene);
    if (found === undefined) {
      found = new ValueDistribution();
      this.#genes.set(gene, found);
    }
    return found;
  }

  /** Adds those of other cells. @throws IncompatibleError "repeated-cells" for some of the same */
  merge(other: GeneDistributions, options: MergeOptions = {}): void {
    this.#sources.add(other.sources, options);
    this.cells += other.cells;
    for (const [gene, values] of other.#genes) this.of(gene).merge(values);
  }

  /** Of every gene: exact for one with few values, else within `MEDIAN_ERROR`. */
  medians(): GeneMedians {
    return new Map(this.entries().map(([gene, values]) => [gene, values.median()]));
  }

  /**
   * Exact ones. Reads the cells again, which must be those that were counted: once, and once more for
   * every 32 million values that lie close to medians.
   * @throws InvalidArgumentError for other cells.
   */
  async exactMedians(
    paths: readonly string[],
    options: CollectMediansOptions = {},
  ): Promise<GeneMedians> {
    const medians = new Map(this.medians());
    const open = this.entries().filter(([, { values }]) => values === null);
    let pass = 2;
    for (const group of ExactMiddles.groups(open)) {
      const numbers = new GeneNumbers(options.mapping ?? null);
      const middles = new ExactMiddles(group, numbers);
      await readAll(paths, options, pass++, numbers, (gene, values, begin, end) =>
        middles.addAll(gene, values, begin, end),
      );
      for (const [gene, median] of middles.medians()) medians.set(gene, median);
    }
    return medians;
  }
}

/** One pass over all data sets; returns the cells wanted. `counted` hears of each when it is read. */
async function readAll(
  paths: readonly string[],
  options: CollectMediansOptions,
  pass: number,
  genes: GeneNumbers,
  take: TakeValues,
  counted?: (source: MediansSource) => void,
): Promise<number> {
  if (paths.length === 0) {
    throw new InvalidArgumentError("paths", paths, "expected at least one data set");
  }
  const { signal, onProgress } = options;
  const opening: OpenCellsOptions = { genes: options.genes, matrix: options.matrix, signal };
  const sources: CellSource[] = [];
  const sorter = new ValuesByGene(take);
  try {
    for (const path of paths) sources.push(await openCells(path, opening));
    const totalRows = sources.reduce((sum, { nObs }) => sum + nObs, 0);
    let before = 0;
    let cells = 0;
    for (const source of sources) {
      const fingerprint = counted === undefined ? undefined : new CellFingerprint();
      const begin = before;
      const reading: NormalisedValuesOptions = {
        nCounts: options.nCounts,
        filterPass: options.filterPass,
        signal,
        fingerprint,
        onRows: (rows) => onProgress?.({ pass, rows: begin + rows, totalRows }),
      };
      const wanted = await addNormalised(source, genes, reading, sorter);
      cells += wanted;
      if (fingerprint !== undefined) {
        counted?.({ path: source.path, cells: wanted, sha256: fingerprint.digest() });
      }
      before += source.nObs;
    }
    sorter.flush();
    return cells;
  } finally {
    for (const source of sources) await source[Symbol.asyncDispose]();
  }
}
