import { FormatError, InvalidArgumentError } from "../../formats/common/errors.ts";
import { Turn } from "../../formats/common/turn.ts";
import type { CellFingerprint } from "./cell-fingerprint.ts";
import { type CellBlock, type CellSource, chosenColumn, readNumbers } from "./cell-source.ts";
import type { EnsemblMapping } from "./name-dictionary.ts";
import { sortedRow } from "./sorted-row.ts";
import type { ValuesByGene } from "./values-by-gene.ts";

/** What the counts of a cell are made to sum to. */
const TARGET_SUM = 10_000;
const BLOCK_BYTES = 2 ** 23;

/** Numbers genes by their ids, over any number of data sets. */
export class GeneNumbers {
  readonly ids: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #mapping: EnsemblMapping | null;

  /** @param mapping names to ids; names that it lacks are no genes */
  constructor(mapping: EnsemblMapping | null) {
    this.#mapping = mapping;
  }

  /** [columns] the number of each column's gene, -1 for none. */
  of(genes: readonly string[]): Int32Array {
    return Int32Array.from(genes, (name) => {
      const id = this.#mapping === null ? name : this.#mapping.get(name.toUpperCase());
      return id === undefined ? -1 : this.numberOf(id);
    });
  }

  numberOf(id: string): number {
    const found = this.#numbers.get(id);
    if (found !== undefined) return found;
    this.#numbers.set(id, this.ids.length);
    return this.ids.push(id) - 1;
  }
}

export interface NormalisedValuesOptions {
  /** Obs column with the counts of each cell. Default "n_counts" where there is one. */
  readonly nCounts?: string | null | undefined;
  /** Obs column with 1 for the cells wanted. Default "filter_pass" where there is one. */
  readonly filterPass?: string | null | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Takes every cell that is wanted. */
  readonly fingerprint?: CellFingerprint | undefined;
  /** Told the rows read so far. */
  readonly onRows?: (rows: number) => void;
}

/**
 * Adds every value above zero of the cells, as a share of its cell's counts times 10,000: columns of one
 * gene summed, row after row. Returns how many cells were wanted.
 * @throws InvalidArgumentError for cell counts that are not above zero; FormatError for negative
 *   values and columns beyond the genes.
 */
export async function addNormalised(
  cells: CellSource,
  genes: GeneNumbers,
  options: NormalisedValuesOptions,
  into: ValuesByGene,
): Promise<number> {
  const countsName = chosenColumn(cells, options.nCounts, "n_counts");
  const passName = chosenColumn(cells, options.filterPass, "filter_pass");
  const counts = countsName === null ? null : (await readNumbers(cells, countsName)).values;
  const passing = passName === null ? null : (await readNumbers(cells, passName)).values;
  const turn = new Turn();
  let wanted = 0;
  for (const { rowBegin, rowEnd, genes: names } of cells.geneRanges) {
    const columns = new GeneSums(genes.of(names), cells.path, options.fingerprint);
    options.fingerprint?.addGenes(names);
    const range = { begin: rowBegin, end: rowEnd, blockBytes: BLOCK_BYTES, signal: options.signal };
    for await (const block of cells.blocks(range)) {
      await turn.pass(options.signal);
      for (let i = 0; i < block.rowEnd - block.rowBegin; i++) {
        const row = block.rowBegin + i;
        if (passing !== null && passing[row] !== 1) continue;
        wanted++;
        columns.addRow(block, i, counts?.[row], into);
      }
      options.onRows?.(block.rowEnd);
    }
  }
  return wanted;
}

/** The columns of one list of genes; those that share a gene are summed. */
class GeneSums {
  readonly #gene: Int32Array;
  readonly #path: string;
  readonly #fingerprint: CellFingerprint | undefined;
  /** [columns] the slot in #sums, -1 for a gene with one column. */
  readonly #slot: Int32Array;
  readonly #sums: Float64Array;
  readonly #slotGene: number[] = [];

  constructor(gene: Int32Array, path: string, fingerprint: CellFingerprint | undefined) {
    this.#gene = gene;
    this.#path = path;
    this.#fingerprint = fingerprint;
    this.#slot = new Int32Array(gene.length).fill(-1);
    const first = new Map<number, number>();
    for (const [column, number] of gene.entries()) {
      const before = first.get(number);
      if (number < 0) continue;
      if (before === undefined) {
        first.set(number, column);
        continue;
      }
      if (this.#slot[before] === -1) this.#slot[before] = this.#slotGene.push(number) - 1;
      this.#slot[column] = this.#slot[before] as number;
    }
    this.#sums = new Float64Array(this.#slotGene.length);
  }

  addRow(block: CellBlock, i: number, given: number | undefined, into: ValuesByGene): void {
    const { data, indices, indptr } = block;
    const begin = indptr[i] as number;
    const end = indptr[i + 1] as number;
    const row = block.rowBegin + i;
    let total = 0;
    let weighted = 0;
    let positive = 0;
    let previous = -1;
    let isSorted = true;
    for (let k = begin; k < end; k++) {
      const value = Number(data[k]);
      const column = indices[k] as number;
      if (!(value >= 0)) throw this.#negative(value, row);
      if (column >= this.#gene.length) throw this.#beyond(column, row);
      if (column <= previous) isSorted = false;
      previous = column;
      total += value;
      weighted += value * (column + 1);
      if (value > 0) positive++;
    }
    if (!isSorted) {
      const sorted = { ...sortedRow(block, begin, end), rowBegin: row, rowEnd: row + 1 };
      this.addRow(sorted, 0, given, into);
      return;
    }
    this.#fingerprint?.addRow(positive, total, weighted);
    if (total === 0) return;
    const sum = given ?? total;
    if (!(sum > 0 && sum < Number.POSITIVE_INFINITY)) throw this.#badCounts(sum, row);
    for (let k = begin; k < end; k++) {
      const column = indices[k] as number;
      const gene = this.#gene[column] as number;
      const value = Number(data[k]);
      if (gene < 0 || value === 0) continue;
      const slot = this.#slot[column] as number;
      if (slot < 0) into.add(gene, (value / sum) * TARGET_SUM);
      else this.#sums[slot] = (this.#sums[slot] as number) + value;
    }
    this.#addSums(sum, into);
  }

  #addSums(sum: number, into: ValuesByGene): void {
    for (const [slot, gene] of this.#slotGene.entries()) {
      const value = this.#sums[slot] as number;
      if (value !== 0) into.add(gene, (value / sum) * TARGET_SUM);
    }
    this.#sums.fill(0);
  }

  #negative(value: number, row: number): FormatError {
    return new FormatError(
      "negative-count",
      `row ${row}: expected counts of zero or more, found ${value}`,
      { path: this.#path, suggestions: ["medians are made of raw counts: name their matrix"] },
    );
  }

  #beyond(column: number, row: number): FormatError {
    return new FormatError(
      "column-out-of-range",
      `row ${row}: column ${column} is stored and there are ${this.#gene.length} genes`,
      { path: this.#path, suggestions: ["scdl inspect --verify DIR checks every row"] },
    );
  }

  #badCounts(sum: number, row: number): InvalidArgumentError {
    return new InvalidArgumentError(
      "nCounts",
      sum,
      `${this.#path}: the counts of row ${row} sum to ${sum}, expected a number above zero`,
      { suggestions: ["check the obs column n_counts"] },
    );
  }
}
