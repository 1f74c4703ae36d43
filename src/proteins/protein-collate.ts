import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { ItemBatchInfo } from "../data/item-loader.ts";
import { bertPaddingCollate } from "../tokenize/bert-collate.ts";
import type { BertBatch } from "../tokenize/bert-item.ts";
import type { PaddedLengthOptions } from "../tokenize/padded-length.ts";
import type { ProteinItem } from "./protein-dataset.ts";

/** Proteins of a fine-tuning task, padded to one length; [batch, length], row-major. */
export interface ProteinBatch extends Omit<BertBatch, "labels"> {
  /** [batch, length] a label a token, -100 in the padding; or [batch] one a protein. */
  readonly labels: Int32Array | Float32Array;
}

/** With which proteins they are. */
export type FineTuneBatch = ProteinBatch & ItemBatchInfo;

export interface ProteinCollateOptions extends PaddedLengthOptions {
  /** The id of the pad token: 1 for ESM-2. */
  readonly paddingValue: number;
}

/**
 * Items of a {@link ProteinDataset} as a batch, as BioNeMo's `bert_padding_collate_fn`; one label a
 * protein is stacked, never padded, whatever `minLength` says.
 * @throws InvalidArgumentError for labels of which some are one a protein and some one a token.
 */
export function proteinCollate(
  items: readonly ProteinItem<Int32Array | Float32Array>[],
  { paddingValue, ...lengths }: ProteinCollateOptions,
): ProteinBatch {
  const isPerToken = items.every(({ labels, text }) => labels.length === text.length);
  const tokens = items.map(({ labels, ...item }) => ({
    ...item,
    // Labels of proteins are stacked below.
    labels: isPerToken && labels instanceof Int32Array ? labels : item.text,
  }));
  const batch = bertPaddingCollate(tokens, { paddingValue, ...lengths });
  return isPerToken ? batch : { ...batch, labels: stacked(items.map(({ labels }) => labels)) };
}

function stacked(labels: readonly (Int32Array | Float32Array)[]): Int32Array | Float32Array {
  const isFloat = labels[0] instanceof Float32Array;
  const values = isFloat ? new Float32Array(labels.length) : new Int32Array(labels.length);
  for (const [i, label] of labels.entries()) {
    if (label.length !== 1 || label instanceof Float32Array !== isFloat) {
      throw new InvalidArgumentError(
        "items",
        label,
        `item ${i} has ${label.length} labels: expected one of a kind in every item, or one a token`,
      );
    }
    values[i] = label[0] as number;
  }
  return values;
}
