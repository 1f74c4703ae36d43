/**
 * A count model shaped like droplet single-cell data.
 *
 * Gene abundances are log-normal, counts negative binomial with a dispersion that falls with
 * abundance, library sizes log-normal, and each cell type raises or lowers a share of the genes.
 * Only expressed genes are visited: genes are grouped by abundance, a group is crossed in
 * geometric jumps at its upper bound of P(count > 0), and a visited gene is kept with the ratio
 * of its own probability to that bound. The cost follows the values drawn, not the genes.
 */
import { CellRandom } from "./random.ts";

export interface CountModelOptions {
  readonly nVars: number;
  readonly seed: number;
  /** Expected stored values per cell. */
  readonly nnzPerCell: number;
}

interface TypeProfile {
  /** Genes ordered by falling abundance. */
  readonly genes: Uint32Array;
  /** Share of the library, in that order. */
  readonly shares: Float64Array;
  /** Group borders in `genes`; abundances inside a group differ by less than a factor of 1.6. */
  readonly groups: Uint32Array;
}

const CELL_TYPES = [
  "CD4 T cell",
  "CD8 T cell",
  "B cell",
  "NK cell",
  "CD14 monocyte",
  "FCGR3A monocyte",
  "dendritic cell",
  "megakaryocyte",
] as const;
const GROUP_FACTOR = 1.6;
const LIBRARY_SIGMA = 0.45;
/** Stream numbers below are for the model; cells use their own row numbers. */
const MODEL_STREAM = 2 ** 52;

/** One cell as drawn: values by gene in `counts`, with the genes that are non-zero marked. */
export interface CellDraw {
  readonly type: number;
  readonly donor: number;
}

export class CountModel {
  static readonly cellTypes: readonly string[] = CELL_TYPES;
  static readonly donors: readonly string[] = ["D1", "D2", "D3", "D4", "D5", "D6"];

  readonly nVars: number;
  readonly seed: number;
  /** Mean counts of a cell of middling library size. */
  readonly libraryMedian: number;
  /** Over-dispersion of each gene (variance = mean + dispersion x mean^2). */
  readonly dispersion: Float32Array;
  /** 1 for the (up to 13) mitochondrial genes. */
  readonly mitochondrial: Uint8Array;
  readonly #profiles: readonly TypeProfile[];
  readonly #typeWeights: Float64Array;
  readonly #size: Float64Array;
  readonly #random = new CellRandom();

  constructor(options: CountModelOptions) {
    const { nVars, seed } = options;
    this.nVars = nVars;
    this.seed = seed;
    const random = new CellRandom();
    random.seek(seed, MODEL_STREAM);
    const base = new Float64Array(nVars);
    this.#size = new Float64Array(nVars);
    this.dispersion = new Float32Array(nVars);
    this.mitochondrial = new Uint8Array(nVars);
    for (let gene = 0; gene < nVars; gene++) base[gene] = Math.exp(2.1 * random.normal());
    const mitoGenes = Math.min(13, Math.floor(nVars / 8));
    const mitoStep = Math.max(1, Math.floor(nVars / 13));
    // Together about 5 % of all counts.
    const mitoBase = (0.05 * base.reduce((sum, value) => sum + value, 0)) / 13;
    for (let k = 0; k < mitoGenes; k++) {
      const gene = k * mitoStep;
      this.mitochondrial[gene] = 1;
      base[gene] = mitoBase * Math.exp(0.5 * random.normal());
    }
    for (let gene = 0; gene < nVars; gene++) {
      // Negative binomial size: scarce genes are the most over-dispersed.
      const size = 0.35 * (base[gene] ?? 0) ** 0.35 * Math.exp(0.45 * random.normal()) + 0.1;
      this.#size[gene] = Math.min(size, 40);
      this.dispersion[gene] = 1 / Math.min(size, 40);
    }
    this.#profiles = CELL_TYPES.map((_, type) => profileOf(base, seed, type));
    this.#typeWeights = new Float64Array(CELL_TYPES.length);
    let total = 0;
    for (let type = 0; type < CELL_TYPES.length; type++) {
      total += 0.7 ** type;
      this.#typeWeights[type] = total;
    }
    this.libraryMedian = this.#solveLibrary(options.nnzPerCell);
  }

  /**
   * Draws cell `cell` into `counts` (dense, zero on entry) and sets a bit per non-zero gene in
   * `mask`; the caller reads the set bits and clears both.
   */
  draw(cell: number, counts: Uint32Array, mask: Uint32Array): CellDraw {
    const random = this.#random;
    random.seek(this.seed, cell);
    const type = random.choice(this.#typeWeights);
    const donor = Math.floor(random.uniform() * CountModel.donors.length);
    const library = this.libraryMedian * Math.exp(LIBRARY_SIGMA * random.normal());
    const profile = this.#profiles[type];
    if (profile === undefined) throw new RangeError(`cell type ${type}`);
    const { genes, shares, groups } = profile;
    for (let group = 0; group + 1 < groups.length; group++) {
      const end = groups[group + 1] as number; // proof: group + 1 < groups.length
      let at = groups[group] as number; // proof: group < groups.length
      const bound = -Math.expm1(-library * (shares[at] ?? 0));
      if (bound <= 0) continue;
      const jump = bound < 1 ? 1 / Math.log1p(-bound) : 0;
      for (;;) {
        at += Math.floor(Math.log(random.uniform()) * jump);
        if (at >= end) break;
        const gene = genes[at] as number; // proof: at < end <= genes.length
        const mean = library * (shares[at] as number); // proof: same bound
        const size = this.#size[gene] as number; // proof: genes holds gene numbers
        const count = positiveCount(random, mean, size, bound);
        if (count > 0) {
          counts[gene] = count;
          mask[gene >>> 5] = (mask[gene >>> 5] as number) | (1 << (gene & 31)); // proof: gene < nVars
        }
        at++;
        if (at >= end) break;
      }
    }
    return { type, donor };
  }

  /** Library size whose expected number of expressed genes per cell is `target`, by bisection. */
  #solveLibrary(target: number): number {
    let low = Math.log(1e-3);
    let high = Math.log(1e9);
    for (let step = 0; step < 40; step++) {
      const middle = (low + high) / 2;
      if (this.#expectedNnz(Math.exp(middle)) < target) low = middle;
      else high = middle;
    }
    return Math.exp((low + high) / 2);
  }

  #expectedNnz(library: number): number {
    const stride = Math.max(1, Math.floor(this.nVars / 1500));
    const quantiles = [-1.28, -0.52, 0, 0.52, 1.28];
    let expected = 0;
    for (const [type, profile] of this.#profiles.entries()) {
      const weight =
        ((this.#typeWeights[type] ?? 0) - (this.#typeWeights[type - 1] ?? 0)) /
        (this.#typeWeights.at(-1) ?? 1);
      for (const z of quantiles) {
        const scale = library * Math.exp(LIBRARY_SIGMA * z);
        let sum = 0;
        for (let at = stride >> 1; at < this.nVars; at += stride) {
          const size = this.#size[profile.genes[at] as number] as number; // proof: at < nVars
          sum -= Math.expm1(-size * Math.log1p((scale * (profile.shares[at] as number)) / size));
        }
        const visited = Math.ceil((this.nVars - (stride >> 1)) / stride);
        expected += (weight / quantiles.length) * (sum * (this.nVars / visited));
      }
    }
    return expected;
  }
}

/** A negative binomial count given that the jump landed here (probability `bound`); 0 = rejected. */
function positiveCount(random: CellRandom, mean: number, size: number, bound: number): number {
  const zero = Math.exp(-size * Math.log1p(mean / size));
  const draw = random.uniform() * bound;
  if (draw >= 1 - zero) return 0;
  const ratio = mean / (mean + size);
  let left = draw;
  let probability = zero * size * ratio;
  let count = 1;
  const most = Math.ceil(mean + 40 * Math.sqrt(mean + (mean * mean) / size) + 40);
  while (left >= probability && count < most) {
    left -= probability;
    probability *= ((count + size) / (count + 1)) * ratio;
    count++;
  }
  return count;
}

function profileOf(base: Float64Array, seed: number, type: number): TypeProfile {
  const nVars = base.length;
  const random = new CellRandom();
  random.seek(seed, MODEL_STREAM + 1 + type);
  const abundance = new Float64Array(nVars);
  let total = 0;
  for (let gene = 0; gene < nVars; gene++) {
    const marker = random.uniform() < 0.08;
    const shift = random.normal();
    abundance[gene] = (base[gene] ?? 0) * (marker ? Math.exp(1.5 * shift) : 1);
    total += abundance[gene] ?? 0;
  }
  const genes = Uint32Array.from({ length: nVars }, (_, gene) => gene);
  genes.sort((a, b) => (abundance[b] ?? 0) - (abundance[a] ?? 0) || a - b);
  const shares = Float64Array.from(genes, (gene) => (abundance[gene] ?? 0) / total);
  const groups = [0];
  let top = shares[0] ?? 0;
  for (let at = 1; at < nVars; at++) {
    const share = shares[at] ?? 0;
    if (share * GROUP_FACTOR < top) {
      groups.push(at);
      top = share;
    }
  }
  groups.push(nVars);
  return { genes, shares, groups: Uint32Array.from(groups) };
}
