/** `scdl/infer`: outputs of trained models. */
export { type ExportedOnnx, type ExportOnnxOptions, exportOnnx } from "./export-onnx.ts";
export { type InferEsm2Options, type InferredEsm2, inferEsm2 } from "./infer-esm2.ts";
export {
  type InferGeneformerOptions,
  type InferredGeneformer,
  inferGeneformer,
} from "./infer-geneformer.ts";
export { INFERENCE_OUTPUTS, type InferenceOutput } from "./inference-outputs.ts";
export {
  type PredictTokensOptions,
  predictTokens,
  type TokenPredictions,
} from "./predict-tokens.ts";
export type { InferenceOptions, InferenceResult, PredictionFormat } from "./run-inference.ts";
