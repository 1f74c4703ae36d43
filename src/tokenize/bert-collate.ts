import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { BertBatch, BertItem } from "./bert-item.ts";
import { IGNORED_LABEL, type MaskedTokens } from "./bert-mask.ts";
import { assertLength, type PaddedLengthOptions, paddedLength } from "./padded-length.ts";

export interface BertCollateOptions extends PaddedLengthOptions {
  /** The id of the pad token: 1 for ESM-2. */
  readonly paddingValue: number;
}

/**
 * Items padded at the end to one length: text with the pad token, labels with -100, all else with
 * 0, as BioNeMo's `bert_padding_collate_fn`. The batch is new memory. No items give no rows.
 *
 * @throws InvalidArgumentError for arrays of an item that differ in length, or wrong lengths.
 */
export function bertPaddingCollate(
  items: readonly BertItem[],
  options: BertCollateOptions,
): BertBatch {
  let longest = 0;
  for (const [i, item] of items.entries()) {
    const { length } = item.text;
    for (const [name, { length: other }] of Object.entries(item)) {
      if (other === length) continue;
      throw new InvalidArgumentError(
        "items",
        item,
        `item ${i}: ${name} has ${other} values for ${length} tokens`,
      );
    }
    longest = Math.max(longest, length);
  }
  const rows = new BertRows(items.length, longest, options);
  for (const item of items) {
    const kept = rows.add(item, 0, item.text.length);
    const { types, attentionMask, isRandom } = rows.batch;
    const begin = rows.lastBegin;
    types.set(item.types.subarray(0, kept), begin);
    attentionMask.set(item.attentionMask.subarray(0, kept), begin);
    isRandom.set(item.isRandom.subarray(0, kept), begin);
  }
  return rows.batch;
}

/** A batch that is filled row after row. */
export class BertRows {
  readonly batch: BertBatch;
  /** Where the last added row begins. */
  lastBegin = 0;
  readonly #length: number;
  readonly #mostTokens: number;
  readonly #paddingValue: number;
  #next = 0;

  /** `longest`: tokens of the longest item. @throws InvalidArgumentError for wrong lengths. */
  constructor(rows: number, longest: number, options: BertCollateOptions) {
    assertLength("paddingValue", options.paddingValue, 0);
    const length = paddedLength(longest, options);
    const size = rows * length;
    this.batch = {
      text: new Int32Array(size),
      types: new Int32Array(size),
      attentionMask: new Uint8Array(size),
      labels: new Int32Array(size),
      lossMask: new Uint8Array(size),
      isRandom: new Uint8Array(size),
      shape: [rows, length],
    };
    this.#length = length;
    this.#mostTokens = Math.min(length, options.maxLength ?? length);
    this.#paddingValue = options.paddingValue;
  }

  /** Adds tokens [begin, end) as a row, cut and padded; returns how many were kept. */
  add(tokens: MaskedTokens, begin: number, end: number): number {
    const { text, labels, lossMask, attentionMask } = this.batch;
    const at = this.#next;
    const kept = Math.min(end - begin, this.#mostTokens);
    const stop = begin + kept;
    text.set(tokens.text.subarray(begin, stop), at);
    labels.set(tokens.labels.subarray(begin, stop), at);
    lossMask.set(tokens.lossMask.subarray(begin, stop), at);
    attentionMask.fill(1, at, at + kept);
    this.lastBegin = at;
    this.#next = at + this.#length;
    text.fill(this.#paddingValue, at + kept, this.#next);
    labels.fill(IGNORED_LABEL, at + kept, this.#next);
    return kept;
  }
}
