import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { shown } from "../../formats/common/options.ts";

/**
 * What becomes of the samples left over when the epoch is not a multiple of the global batch:
 *
 * - "keep": the last global batch is smaller; ranks get parts that differ by at most one sample,
 *   so a rank may get none (its batch then has 0 rows);
 * - "drop": they are left out of this epoch;
 * - "pad": the last global batch is filled up with the first samples of the epoch.
 */
export type LastBatch = "keep" | "drop" | "pad";

export interface SharesOptions {
  /** Samples of an epoch. */
  readonly length: number;
  /** Samples of one step of all ranks together; a multiple of `worldSize`. */
  readonly globalBatchSize: number;
  readonly lastBatch: LastBatch;
  readonly rank: number;
  readonly worldSize: number;
}

/** Positions `[begin, end)` of the order. */
export interface PositionRange {
  readonly begin: number;
  readonly end: number;
}

/** The part of one global batch that one rank reads. */
export interface Share {
  /** In the order they stand in the batch; one range, two or more only where padding wraps. */
  readonly ranges: readonly PositionRange[];
  /** Samples of all ranges. */
  readonly rows: number;
  /** How many of them, at the end, repeat samples that another batch already had. */
  readonly padding: number;
}

/**
 * Who reads which positions of an epoch: plain arithmetic, without state.
 *
 * Global batch g holds positions `[g * B, (g + 1) * B)` of the sampler's order, whatever the number
 * of ranks and workers; rank r of W reads the r-th of W equal, contiguous parts of it. Every rank
 * counts the same number of batches. Resuming at batch g therefore reads exactly the samples that
 * were left, at any world size that divides B.
 */
export class Shares {
  readonly length: number;
  readonly globalBatchSize: number;
  readonly lastBatch: LastBatch;
  readonly rank: number;
  readonly worldSize: number;
  /** Batches of an epoch, the same on every rank. */
  readonly nBatches: number;

  /** @throws InvalidArgumentError */
  constructor(options: SharesOptions) {
    const { length, globalBatchSize, lastBatch, rank, worldSize } = options;
    assertCount("length", length, 0);
    assertCount("globalBatchSize", globalBatchSize, 1);
    assertCount("worldSize", worldSize, 1);
    if (!(Number.isSafeInteger(rank) && rank >= 0 && rank < worldSize)) {
      throw new InvalidArgumentError(
        "rank",
        rank,
        `rank ${rank} of ${worldSize} processes: expected an integer from 0 to ${worldSize - 1}`,
      );
    }
    if (globalBatchSize % worldSize !== 0) {
      throw new InvalidArgumentError(
        "globalBatchSize",
        globalBatchSize,
        `a global batch of ${globalBatchSize} samples has no equal parts for ${worldSize} ranks`,
        { suggestions: ["choose a global batch size that is a multiple of every world size used"] },
      );
    }
    this.length = length;
    this.globalBatchSize = globalBatchSize;
    this.lastBatch = lastBatch;
    this.rank = rank;
    this.worldSize = worldSize;
    const whole = Math.floor(length / globalBatchSize);
    this.nBatches = whole + (lastBatch !== "drop" && whole * globalBatchSize < length ? 1 : 0);
  }

  /** This rank's part of a global batch. @throws InvalidArgumentError for a batch not in the epoch. */
  share(batch: number): Share {
    if (!(Number.isSafeInteger(batch) && batch >= 0 && batch < this.nBatches)) {
      throw new InvalidArgumentError(
        "batch",
        batch,
        `batch ${batch} does not exist: expected an integer from 0 to ${this.nBatches - 1}`,
      );
    }
    const { length, globalBatchSize, rank, worldSize } = this;
    const first = batch * globalBatchSize;
    const present = Math.min(globalBatchSize, length - first);
    const rows = this.lastBatch === "pad" ? globalBatchSize : present;
    const begin = first + Math.floor((rows * rank) / worldSize);
    const end = first + Math.floor((rows * (rank + 1)) / worldSize);
    if (end <= length) return { ranges: [{ begin, end }], rows: end - begin, padding: 0 };
    return {
      ranges: wrap(begin, end, length),
      rows: end - begin,
      padding: end - Math.max(begin, length),
    };
  }
}

/** Positions past the end start over, as often as it takes. */
function wrap(begin: number, end: number, length: number): PositionRange[] {
  const ranges: PositionRange[] = [];
  for (let at = begin; at < end; ) {
    const from = at % length;
    const count = Math.min(length - from, end - at);
    ranges.push({ begin: from, end: from + count });
    at += count;
  }
  return ranges;
}

/** @throws InvalidArgumentError where "drop" leaves not one batch of the samples there are. */
export function assertNotAllDropped({
  length,
  globalBatchSize,
  lastBatch,
  nBatches,
}: Shares): void {
  if (lastBatch !== "drop" || nBatches > 0 || length === 0) return;
  const message = `dropLast leaves nothing: ${length} samples are no global batch of ${globalBatchSize}`;
  throw new InvalidArgumentError("dropLast", true, message, {
    suggestions: ["choose a smaller batch", "pass padLast instead, or leave dropLast out"],
  });
}

function assertCount(argument: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new InvalidArgumentError(
    argument,
    value,
    `${argument} is ${shown(value)}, expected an integer of at least ${least}`,
  );
}
