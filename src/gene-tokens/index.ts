/** Geneformer's tokens: vocabularies, ranked genes, medians, data module. */

export type {
  BoundCellTokenizer,
  TokenizeOptions,
} from "./bound-cell-tokenizer.ts";
export type { MediansSource } from "./cell-fingerprint.ts";
export {
  type CellMatrixTypes,
  CellTokenizer,
  type CellTokenizerOptions,
  type EmptyCells,
} from "./cell-tokenizer.ts";
export {
  type ComputedMedians,
  type ComputeMediansOptions,
  computeGeneMedians,
} from "./compute-medians.ts";
export {
  readGeneDistributions,
  writeGeneDistributions,
} from "./distributions-file.ts";
export type { MissingGenes } from "./gene-columns.ts";
export {
  type CollectMediansOptions,
  GeneDistributions,
  type MediansProgress,
} from "./gene-distributions.ts";
export { type GeneMedians, readGeneMedians, writeGeneMedians } from "./gene-medians.ts";
export { GeneTokenizer } from "./gene-tokenizer.ts";
export {
  GeneVocabulary,
  type SpecialTokens,
  type TokenIds,
  type VocabularyLayout,
} from "./gene-vocabulary.ts";
export {
  type GeneformerBatch,
  GeneformerDataModule,
  type GeneformerDataModuleOptions,
} from "./geneformer-data-module.ts";
export { type EnsemblMapping, readEnsemblMapping } from "./name-dictionary.ts";
export {
  SingleCellTokenDataset,
  type SingleCellTokenOptions,
} from "./single-cell-token-dataset.ts";
export {
  type OpenTokensOptions,
  TokenDataset,
  type TokenItem,
} from "./token-dataset.ts";
export { TokenRows } from "./token-rows.ts";
export {
  type TokenizeDatasetOptions,
  type TokenizeProgress,
  tokenizeDataset,
} from "./tokenize-dataset.ts";
export {
  type TokenizedCells,
  type TokenizeToDiskOptions,
  tokenizeToDisk,
} from "./tokenize-to-disk.ts";
