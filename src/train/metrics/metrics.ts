/** Sums that metrics are made of: added batch by batch, merged across processes, read at the end. */
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { midRanks } from "./mid-ranks.ts";

/** A value that grows by batches. `result()` is NaN before the first. */
export interface Metric {
  result(): number;
  reset(): void;
}

/** Mean of weighted values: a loss as (sum over tokens, number of tokens). */
export class MeanMetric implements Metric {
  #sum = 0;
  #count = 0;

  /** `sum` over `count` things: tokens that the loss counts, not batches. */
  add(sum: number, count: number): void {
    if (!(count >= 0)) {
      throw new InvalidArgumentError("count", count, `count is ${count}, expected 0 or more`);
    }
    this.#sum += sum;
    this.#count += count;
  }

  get sum(): number {
    return this.#sum;
  }

  get count(): number {
    return this.#count;
  }

  merge(other: MeanMetric): void {
    this.add(other.sum, other.count);
  }

  result(): number {
    return this.#sum / this.#count;
  }

  reset(): void {
    this.#sum = 0;
    this.#count = 0;
  }
}

/** exp of the mean loss per token. */
export class PerplexityMetric extends MeanMetric {
  override result(): number {
    return Math.exp(super.result());
  }
}

/** Share of labels predicted; ignored labels count for nothing. */
export class AccuracyMetric extends MeanMetric {
  /** Class numbers; a label of `ignored` (default -100) is left out. */
  addLabels(predicted: ArrayLike<number>, labels: ArrayLike<number>, ignored = -100): void {
    assertSameLength(predicted, labels);
    let right = 0;
    let count = 0;
    for (let i = 0; i < labels.length; i++) {
      if (labels[i] === ignored) continue;
      count++;
      if (labels[i] === predicted[i]) right++;
    }
    this.add(right, count);
  }
}

/** Mean squared error over all values. */
export class MseMetric extends MeanMetric {
  addValues(predicted: ArrayLike<number>, targets: ArrayLike<number>): void {
    assertSameLength(predicted, targets);
    let sum = 0;
    for (let i = 0; i < targets.length; i++) {
      sum += ((predicted[i] as number) - (targets[i] as number)) ** 2;
    }
    this.add(sum, targets.length);
  }
}

/** Pearson's correlation, in one pass and bounded memory (Welford's update of the moments). */
export class PearsonMetric implements Metric {
  #count = 0;
  #meanX = 0;
  #meanY = 0;
  #varX = 0;
  #varY = 0;
  #cov = 0;

  addValues(predicted: ArrayLike<number>, targets: ArrayLike<number>): void {
    assertSameLength(predicted, targets);
    for (let i = 0; i < targets.length; i++) {
      const x = predicted[i] as number;
      const y = targets[i] as number;
      this.#count++;
      const dx = x - this.#meanX;
      const dy = y - this.#meanY;
      this.#meanX += dx / this.#count;
      this.#meanY += dy / this.#count;
      this.#varX += dx * (x - this.#meanX);
      this.#varY += dy * (y - this.#meanY);
      this.#cov += dx * (y - this.#meanY);
    }
  }

  /** NaN when one side is constant. */
  result(): number {
    const scale = Math.sqrt(this.#varX) * Math.sqrt(this.#varY);
    return Math.max(-1, Math.min(1, this.#cov / scale));
  }

  reset(): void {
    this.#count = this.#meanX = this.#meanY = this.#varX = this.#varY = this.#cov = 0;
  }
}

/** Spearman's rank correlation, ties with their mean rank. Keeps every value until reset. */
export class SpearmanMetric implements Metric {
  readonly #predicted: number[] = [];
  readonly #targets: number[] = [];

  addValues(predicted: ArrayLike<number>, targets: ArrayLike<number>): void {
    assertSameLength(predicted, targets);
    for (let i = 0; i < targets.length; i++) {
      this.#predicted.push(predicted[i] as number);
      this.#targets.push(targets[i] as number);
    }
  }

  /** NaN when one side is constant or holds a NaN. */
  result(): number {
    return spearman(this.#predicted, this.#targets);
  }

  reset(): void {
    this.#predicted.length = 0;
    this.#targets.length = 0;
  }
}

/** Pearson's correlation of the ranks. NaN when one side is constant or holds a NaN. */
export function spearman(predicted: ArrayLike<number>, targets: ArrayLike<number>): number {
  for (const values of [predicted, targets]) {
    for (let i = 0; i < values.length; i++) {
      if (Number.isNaN(values[i])) return Number.NaN;
    }
  }
  const pearson = new PearsonMetric();
  pearson.addValues(midRanks(predicted), midRanks(targets));
  return pearson.result();
}

function assertSameLength(a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (a.length === b.length) return;
  const message = `${a.length} predictions for ${b.length} targets`;
  throw new InvalidArgumentError("predicted", a.length, message);
}
