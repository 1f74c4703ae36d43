/** Tokens of proteins, masking, batches. */

export { type BertCollateOptions, bertPaddingCollate } from "./bert-collate.ts";
export type { BertBatch, BertItem } from "./bert-item.ts";
export {
  applyBertPretrainingMask,
  BertMaskConfig,
  type BertMaskOptions,
  type MaskedTokens,
} from "./bert-mask.ts";
export {
  EsmTokenizer,
  type TokenDecodeOptions,
  type TokenEncodeOptions,
} from "./esm-tokenizer.ts";
export { AMINO_ACID_IDS, ESM_TOKENS } from "./esm-tokens.ts";
export {
  type PackedBatch,
  type PackedRow,
  type PackedRowsOptions,
  type PackOptions,
  packBatch,
  packedRows,
} from "./pack-batch.ts";
export { type PackPlanOptions, planPacking } from "./pack-plan.ts";
export type { PaddedLengthOptions } from "./padded-length.ts";
export {
  type PaddableArray,
  type PaddedArray,
  paddingCollate,
} from "./padding-collate.ts";
export type { CropWindows } from "./random-crop.ts";
