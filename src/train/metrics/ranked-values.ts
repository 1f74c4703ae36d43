import type { RunOutputs } from "../../tensor/index.ts";
import { RANKED } from "../model-programs.ts";
import type { Replicas } from "../ranks/replicas.ts";
import { spearman } from "./metrics.ts";

/** What the rows of one batch were predicted to be and are: as many of each. */
export interface RankedRows {
  readonly predicted: Float32Array;
  readonly labels: Float32Array;
}

/** Copies of the rows of a run, and its outputs without them. */
export function takeRanked(outputs: RunOutputs): {
  readonly ranked: RankedRows | null;
  readonly scalars: RunOutputs;
} {
  const { [RANKED.predicted]: predicted, [RANKED.labels]: labels, ...scalars } = outputs;
  if (predicted === undefined || labels === undefined) return { ranked: null, scalars };
  const ranked = { predicted: Float32Array.from(predicted), labels: Float32Array.from(labels) };
  return { ranked, scalars };
}

/** Predictions and labels of the validation data: two float32 a row, for a metric of their order. */
export class RankedValues {
  readonly #rows: RankedRows[] = [];

  add(rows: readonly RankedRows[]): void {
    this.#rows.push(...rows);
  }

  /**
   * Spearman's correlation over the rows of all ranks, the same number on each of them. Null without
   * rows, and where one side does not vary.
   */
  async spearman(replicas: Replicas): Promise<number | null> {
    const parts = await replicas.gatherFloats(this.#pairs());
    const count = parts.reduce((sum, { length }) => sum + length / 2, 0);
    if (count === 0) return null;
    const [predicted, labels] = [new Float32Array(count), new Float32Array(count)];
    let at = 0;
    for (const part of parts) {
      const half = part.length / 2;
      predicted.set(part.subarray(0, half), at);
      labels.set(part.subarray(half), at);
      at += half;
    }
    const found = spearman(predicted, labels);
    return Number.isNaN(found) ? null : found;
  }

  /** Those of this rank: all predictions, then all labels. */
  #pairs(): Float32Array {
    const half = this.#rows.reduce((sum, { labels }) => sum + labels.length, 0);
    const all = new Float32Array(2 * half);
    let at = 0;
    for (const { predicted, labels } of this.#rows) {
      all.set(predicted, at);
      all.set(labels, half + at);
      at += labels.length;
    }
    return all;
  }
}
