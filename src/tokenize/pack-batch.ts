import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { SizedDataset } from "../sampling/multi-epoch-dataset.ts";
import { IGNORED_LABEL, type MaskedTokens } from "./bert-mask.ts";
import { tooLong } from "./pack-plan.ts";
import { assertLength } from "./padded-length.ts";

export interface PackOptions {
  /** The id of the pad token: 1 for ESM-2. Default 1. */
  readonly paddingValue?: number;
  /**
   * A sequence of pad tokens is appended so that the tokens are a multiple of this, as
   * `pad_to_multiple_of` of BioNeMo's recipes. Default 1.
   */
  readonly padToMultipleOf?: number;
  /**
   * Every sequence is padded to a multiple of this, for context parallelism, as
   * `pad_sequences_to_be_divisible_by`. Give this or `padToMultipleOf`. Default 1.
   */
  readonly padSequencesToMultipleOf?: number;
}

/**
 * Several sequences behind one another in one row (THD): attention goes from `cuSeqlens[i]` to
 * `cuSeqlens[i + 1]`, never across. All arrays but the cumulative ones are [tokens].
 */
export interface PackedBatch extends MaskedTokens {
  /** Place of each token in its sequence: 0 at the start of each. */
  readonly positions: Int32Array;
  /** Number of the sequence of each token; `seq_idx` of transformers. */
  readonly sequenceIds: Int32Array;
  /** [sequences + 1] sums of the lengths: `cu_seq_lens_q` and `cu_seq_lens_k`. */
  readonly cuSeqlens: Int32Array;
  /** [sequences + 1] where sequences begin in the arrays: other than cuSeqlens when each is padded. */
  readonly cuSeqlensPadded: Int32Array;
  /** Length of the longest sequence: `max_length_q` and `max_length_k`. */
  readonly maxSeqlen: number;
}

/**
 * Packs all items into one row, in their order; the row is new memory. {@link planPacking} says
 * which items fit into a row.
 *
 * @throws InvalidArgumentError for both paddings, or a multiple that is none.
 */
export function packBatch(items: readonly MaskedTokens[], options: PackOptions = {}): PackedBatch {
  const { paddingValue = 1, padToMultipleOf = 1, padSequencesToMultipleOf = 1 } = options;
  assertLength("paddingValue", paddingValue, 0);
  assertLength("padToMultipleOf", padToMultipleOf, 1);
  assertLength("padSequencesToMultipleOf", padSequencesToMultipleOf, 1);
  if (padToMultipleOf > 1 && padSequencesToMultipleOf > 1) {
    throw new InvalidArgumentError(
      "padToMultipleOf",
      padToMultipleOf,
      "pad_sequences_to_be_divisible_by and pad_to_multiple_of cannot be used together",
    );
  }
  const lengths = items.map(({ text }) => text.length);
  const padded = lengths.map((n) => roundUp(n, padSequencesToMultipleOf));
  const total = padded.reduce((sum, n) => sum + n, 0);
  const end = roundUp(total, padToMultipleOf);
  if (end > total) {
    lengths.push(end - total);
    padded.push(end - total);
  }
  const batch = {
    text: new Int32Array(end).fill(paddingValue),
    labels: new Int32Array(end).fill(IGNORED_LABEL),
    lossMask: new Uint8Array(end),
    positions: new Int32Array(end),
    sequenceIds: new Int32Array(end),
    cuSeqlens: cumulative(lengths),
    cuSeqlensPadded: cumulative(padded),
    maxSeqlen: lengths.reduce((most, n) => Math.max(most, n), 0),
  };
  for (const [i, begin] of batch.cuSeqlensPadded.entries()) {
    const item = items[i];
    if (item !== undefined) {
      batch.text.set(item.text, begin);
      batch.labels.set(item.labels, begin);
      batch.lossMask.set(item.lossMask, begin);
    }
    const stop = begin + (padded[i] ?? 0);
    for (let at = begin; at < stop; at++) batch.positions[at] = at - begin;
    batch.sequenceIds.fill(i, begin, stop);
  }
  return batch;
}

export interface PackedRowsOptions extends PackOptions {
  /** Most tokens of a row, before the row itself is padded. */
  readonly maxTokens: number;
  /** The first sample: `end` of the last row that was used, to go on. Default 0. */
  readonly begin?: number;
  /** Leaves out the last row, which is not full. Default true, as in BioNeMo's recipes. */
  readonly dropLast?: boolean;
}

/** One packed row and the samples [begin, end) that it holds. */
export interface PackedRow {
  readonly batch: PackedBatch;
  readonly begin: number;
  readonly end: number;
}

/**
 * Packs the samples of a data set in their order, as many to a row as fit, as BioNeMo's
 * TokenPackingDataset. A run goes on at `end` of any row with the same rows.
 *
 * @throws InvalidArgumentError for a sample longer than `maxTokens`.
 */
export function* packedRows(
  dataset: SizedDataset<MaskedTokens>,
  options: PackedRowsOptions,
): Generator<PackedRow, void, undefined> {
  const { maxTokens, dropLast = true, padSequencesToMultipleOf = 1 } = options;
  assertLength("maxTokens", maxTokens, 1);
  let begin = options.begin ?? 0;
  assertLength("begin", begin, 0);
  let items: MaskedTokens[] = [];
  let tokens = 0;
  for (let i = begin; i < dataset.length; i++) {
    const item = dataset.at(i);
    const needed = roundUp(item.text.length, padSequencesToMultipleOf);
    if (needed > maxTokens) throw tooLong(i, needed, maxTokens);
    if (tokens + needed > maxTokens) {
      yield { batch: packBatch(items, options), begin, end: i };
      begin = i;
      items = [];
      tokens = 0;
    }
    items.push(item);
    tokens += needed;
  }
  if (items.length > 0 && (!dropLast || tokens === maxTokens)) {
    yield { batch: packBatch(items, options), begin, end: dataset.length };
  }
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

function cumulative(lengths: readonly number[]): Int32Array {
  const sums = new Int32Array(lengths.length + 1);
  for (const [i, length] of lengths.entries()) sums[i + 1] = (sums[i] as number) + length;
  return sums;
}
