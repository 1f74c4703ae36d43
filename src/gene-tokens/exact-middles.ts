import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { GeneNumbers } from "./normalised-values.ts";
import { type RangePlace, rangeOf, type ValueDistribution } from "./value-distribution.ts";

/** Values kept in a pass: 256 MiB. */
const VALUES_OF_A_PASS = 32 * 2 ** 20;

type GeneValues = readonly [gene: string, values: ValueDistribution];

interface Middle {
  readonly gene: string;
  readonly low: RangePlace;
  readonly high: RangePlace;
  /** The values of both ranges, which are one range or two. */
  readonly values: Float64Array;
  found: number;
}

/** Exact medians of genes from a second look at their values: keeps those of the middle ranges. */
export class ExactMiddles {
  /** By the number of the gene. */
  readonly #middles: (Middle | undefined)[] = [];

  constructor(genes: readonly GeneValues[], numbers: GeneNumbers) {
    for (const [gene, distribution] of genes) {
      const [low, high] = distribution.middle();
      const values = new Float64Array(valuesNeeded(distribution));
      this.#middles[numbers.numberOf(gene)] = { gene, low, high, values, found: 0 };
    }
  }

  /** Genes whose middle ranges fit into one pass, for as many passes as it takes. */
  static groups(genes: readonly GeneValues[]): GeneValues[][] {
    const groups: GeneValues[][] = [];
    let room = 0;
    for (const entry of genes) {
      const needed = valuesNeeded(entry[1]);
      if (groups.length === 0 || needed > room) {
        groups.push([]);
        room = VALUES_OF_A_PASS;
      }
      groups.at(-1)?.push(entry);
      room -= needed;
    }
    return groups;
  }

  /** Looks at values [begin, end) of a gene. */
  addAll(gene: number, values: Float64Array, begin: number, end: number): void {
    const middle = this.#middles[gene];
    if (middle === undefined) return;
    const { low, high } = middle;
    for (let i = begin; i < end; i++) {
      const value = values[i] as number;
      const range = rangeOf(value);
      if (range !== low.range && range !== high.range) continue;
      if (middle.found < middle.values.length) middle.values[middle.found] = value;
      middle.found++;
    }
  }

  /** @throws InvalidArgumentError when other values were added than those counted before. */
  *medians(): Generator<readonly [gene: string, median: number]> {
    for (const middle of this.#middles) {
      if (middle === undefined) continue;
      const { gene, low, high, values, found } = middle;
      if (found !== values.length) {
        throw new InvalidArgumentError(
          "paths",
          gene,
          `${gene} has ${found} values close to its median, ${values.length} were counted before`,
          { suggestions: ["name the same data sets in both passes, and do not change them"] },
        );
      }
      values.sort();
      const second = low.range === high.range ? 0 : low.count;
      yield [gene, ((values[low.rank] as number) + (values[second + high.rank] as number)) / 2];
    }
  }
}

function valuesNeeded(distribution: ValueDistribution): number {
  const [low, high] = distribution.middle();
  return low.range === high.range ? low.count : low.count + high.count;
}
