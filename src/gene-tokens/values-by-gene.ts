/** Values sorted at a time: 12 bytes each, twice. */
const BATCH = 2 ** 21;

/** Takes values [begin, end) of a gene. The array is used again afterwards. */
export type TakeValues = (gene: number, values: Float64Array, begin: number, end: number) => void;

/**
 * Values in the order of cells, handed on gene after gene: what is kept of a gene is then looked up
 * once for many values, not once for each in memory far away.
 */
export class ValuesByGene {
  readonly #take: TakeValues;
  readonly #genes = new Int32Array(BATCH);
  readonly #values = new Float64Array(BATCH);
  readonly #sorted = new Float64Array(BATCH);
  #starts = new Int32Array(0);
  #count = 0;
  #geneEnd = 0;

  constructor(take: TakeValues) {
    this.#take = take;
  }

  add(gene: number, value: number): void {
    const at = this.#count++;
    this.#genes[at] = gene;
    this.#values[at] = value;
    if (gene >= this.#geneEnd) this.#geneEnd = gene + 1;
    if (this.#count === BATCH) this.flush();
  }

  /** Hands on what was added; the values of a gene in the order of adding. */
  flush(): void {
    const count = this.#count;
    const genes = this.#genes;
    const sorted = this.#sorted;
    const geneEnd = this.#geneEnd;
    if (this.#starts.length <= geneEnd) this.#starts = new Int32Array(2 * geneEnd + 1);
    const starts = this.#starts.fill(0);
    for (let i = 0; i < count; i++) {
      const next = (genes[i] as number) + 1;
      starts[next] = (starts[next] as number) + 1;
    }
    for (let gene = 1; gene <= geneEnd; gene++) {
      starts[gene] = (starts[gene] as number) + (starts[gene - 1] as number);
    }
    for (let i = 0; i < count; i++) {
      const gene = genes[i] as number;
      const at = starts[gene] as number;
      starts[gene] = at + 1;
      sorted[at] = this.#values[i] as number;
    }
    // Each start has become the start of the next gene.
    for (let gene = 0, begin = 0; gene < geneEnd; gene++) {
      const end = starts[gene] as number;
      if (end > begin) this.#take(gene, sorted, begin, end);
      begin = end;
    }
    this.#count = 0;
  }
}
