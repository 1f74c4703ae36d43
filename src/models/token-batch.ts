import { IncompatibleError } from "../../formats/common/errors.ts";
import type { BertBatch } from "../tokenize/bert-item.ts";
import { IGNORED_LABEL } from "../tokenize/bert-mask.ts";
import type { PackedBatch } from "../tokenize/pack-batch.ts";
import type { BatchSize } from "./model.ts";

/** Tokens with targets, padded to one length: [batch, length], row-major. */
export type TokenBatch = Pick<
  BertBatch,
  "text" | "attentionMask" | "labels" | "lossMask" | "shape"
>;

/** What masked language models take: padded rows, or sequences packed into one. */
export type MaskedBatch = TokenBatch | PackedBatch;

export function isPacked(batch: MaskedBatch): batch is PackedBatch {
  return "cuSeqlens" in batch;
}

/** Positions that the loss counts. */
export function countLossPositions({ lossMask }: Pick<TokenBatch, "lossMask">): number {
  let count = 0;
  for (const counts of lossMask) count += counts === 0 ? 0 : 1;
  return count;
}

/** Tokens that are not padding. */
export function countTokens(
  batch: Pick<TokenBatch, "attentionMask"> | Pick<PackedBatch, "cuSeqlens">,
): number {
  if ("cuSeqlens" in batch) return batch.cuSeqlens.at(-1) ?? 0;
  let count = 0;
  for (const isThere of batch.attentionMask) count += isThere === 0 ? 0 : 1;
  return count;
}

/**
 * Room for at least `count` loss positions in `tokens`: tokens · 0.8^k rounded up to 16, so that few
 * programs serve batches whose counts differ a little.
 */
export function lossPositionsFor(count: number, tokens: number): number {
  let room = tokens;
  for (let share = tokens; share > 0.5; share *= 0.8) {
    const rounded = Math.min(tokens, Math.ceil(share / 16) * 16);
    if (rounded < Math.max(count, 1)) return room;
    room = rounded;
  }
  return room;
}

/** The size of a batch for a masked language model. */
export function maskedBatchSize(batch: MaskedBatch): BatchSize {
  const packed = isPacked(batch);
  const [rows, length] = packed ? [1, batch.text.length] : batch.shape;
  const lossPositions = lossPositionsFor(countLossPositions(batch), rows * length);
  return { batch: rows, length, lossPositions, packed };
}

/** Labels of the positions that count and -100 elsewhere: [tokens]. */
export function lossLabels({ labels, lossMask }: Pick<TokenBatch, "labels" | "lossMask">) {
  return labels.map((label, i) => (lossMask[i] === 0 ? IGNORED_LABEL : label));
}

/** Places (of the flattened batch) that count and their labels, filled up with place 0 and -100. */
export function lossRows(
  batch: Pick<TokenBatch, "labels" | "lossMask">,
  room: number,
): { readonly rows: Int32Array; readonly labels: Int32Array } {
  const rows = new Int32Array(room);
  const labels = new Int32Array(room).fill(IGNORED_LABEL);
  let count = 0;
  for (const [at, counts] of batch.lossMask.entries()) {
    if (counts === 0) continue;
    if (count < room) {
      rows[count] = at;
      labels[count] = batch.labels[at] ?? IGNORED_LABEL;
    }
    count++;
  }
  if (count > room) {
    throw new IncompatibleError(
      "batch-size",
      `the batch has ${count} loss positions, its program room for ${room}`,
      { suggestions: ["take the size of the program from sizeOf(batch)"] },
    );
  }
  return { rows, labels };
}

/** Numbers of the sequences of a packed row, -1 for padding, which sees nothing but padding. */
export function packedSegments(batch: PackedBatch): Int32Array {
  const segments = Int32Array.from(batch.sequenceIds);
  for (const { end, paddedEnd } of packedSequences(batch)) segments.fill(-1, end, paddedEnd);
  return segments;
}

interface PackedSequence {
  readonly begin: number;
  readonly end: number;
  readonly paddedEnd: number;
}

/** Where the sequences of a packed row lie, the padding behind each included. */
export function packedSequences(batch: PackedBatch): readonly PackedSequence[] {
  const { cuSeqlens, cuSeqlensPadded } = batch;
  const sequences: PackedSequence[] = [];
  for (let i = 0; i + 1 < cuSeqlens.length; i++) {
    const begin = cuSeqlensPadded[i] ?? 0;
    const end = begin + (cuSeqlens[i + 1] ?? 0) - (cuSeqlens[i] ?? 0);
    sequences.push({ begin, end, paddedEnd: cuSeqlensPadded[i + 1] ?? end });
  }
  return sequences;
}
