/**
 * `scdl/models`: networks with their losses, written once as programs of `scdl/tensor`.
 */
export type { Backbone } from "./backbone.ts";
export {
  ESM2_SIZES,
  type Esm2Config,
  type Esm2Options,
  type Esm2Size,
  esm2Config,
} from "./esm2/config.ts";
export { Esm2 } from "./esm2/esm2.ts";
export { esm2FromHuggingFace, esm2ToHuggingFace } from "./esm2/hugging-face.ts";
export {
  type Activation,
  GENEFORMER_SIZES,
  type GeneformerConfig,
  type GeneformerLayout,
  type GeneformerOptions,
  type GeneformerSize,
  geneformerConfig,
} from "./geneformer/config.ts";
export { geneformerFromJson, geneformerToJson } from "./geneformer/config-json.ts";
export { Geneformer } from "./geneformer/geneformer.ts";
export type { LabelledBatch } from "./heads/fine-tuned.ts";
export { SequenceModel, type SequenceModelOptions } from "./heads/sequence-model.ts";
export { TokenModel, type TokenModelOptions } from "./heads/token-model.ts";
export { initialParameter, initialParameters } from "./initialise.ts";
export {
  type BatchSize,
  type BuildMode,
  type Initialisation,
  type ModelOutputs,
  type ParameterSpec,
  sizeKey,
  type TrainableModel,
} from "./model.ts";
export { ParameterList, parameterCount, type Weights, weightsOf } from "./parameters.ts";
export type { MaskedBatch, TokenBatch } from "./token-batch.ts";
export {
  type LoadedWeights,
  type LoadWeightsOptions,
  loadWeights,
} from "./weights/load-weights.ts";
export { openBackbone, openModel, readModelConfig } from "./weights/open-model.ts";
export { type SaveWeightsOptions, saveWeights } from "./weights/save-weights.ts";
export { type VocabularyRows, vocabularyRows } from "./weights/vocabulary-rows.ts";
export type { WeightNotes } from "./weights/weight-notes.ts";
export { type WeightReport, weightReportLines } from "./weights/weight-report.ts";
