import type { Distribution } from "./report.ts";

const TARGET_BINS = 10;
/** A tail this many times the median squeezes everything else into the first linear bin. */
const LOGARITHMIC_TAIL = 8;

/** Summary of at least one finite number; the input is sorted in place. */
export function summarize(values: Float64Array): Distribution {
  values.sort();
  const minimum = values[0] ?? 0;
  const maximum = values.at(-1) ?? 0;
  const median = quantile(values, 0.5);
  let sum = 0;
  for (const value of values) sum += value;
  const logarithmic = minimum >= 0 && maximum > LOGARITHMIC_TAIL * Math.max(median, 1);
  const edges = logarithmic ? powersOfTwo(minimum, maximum) : evenEdges(minimum, maximum);
  return {
    minimum,
    lowerQuartile: quantile(values, 0.25),
    median,
    upperQuartile: quantile(values, 0.75),
    maximum,
    mean: sum / values.length,
    edges,
    bins: countBins(values, edges),
  };
}

/** Linear interpolation between order statistics, as numpy's default. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? 0;
  const above = sorted[Math.ceil(at)] ?? below;
  return below + (above - below) * (at - Math.floor(at));
}

/** Edges at multiples of 1, 2 or 5 times a power of ten that cover [minimum, maximum]. */
export function evenEdges(minimum: number, maximum: number): number[] {
  const span = maximum - minimum;
  if (span <= 0) return [minimum, minimum + 1];
  const rough = span / TARGET_BINS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const width = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const first = Math.floor(minimum / width);
  const last = Math.max(Math.ceil(maximum / width), first + 1);
  // Divided, not multiplied, below 1: 3 / 10 is 0.3, 3 * 0.1 is not.
  const scale = width < 1 ? Math.round(1 / width) : 0;
  return Array.from({ length: last - first + 1 }, (_, i) =>
    scale > 0 ? (first + i) / scale : (first + i) * width,
  );
}

function powersOfTwo(minimum: number, maximum: number): number[] {
  const edges = [minimum < 1 ? 0 : 2 ** Math.floor(Math.log2(minimum))];
  for (let edge = Math.max(1, 2 * (edges[0] ?? 0)); ; edge *= 2) {
    edges.push(edge);
    if (edge >= maximum) return edges;
  }
}

function countBins(sorted: Float64Array, edges: readonly number[]): number[] {
  const bins = new Array<number>(edges.length - 1).fill(0);
  let bin = 0;
  for (const value of sorted) {
    while (bin < bins.length - 1 && value >= (edges[bin + 1] ?? Number.POSITIVE_INFINITY)) bin++;
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  return bins;
}
