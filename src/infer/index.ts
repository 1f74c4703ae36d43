/** `scdl/infer`: outputs of trained models. */
export {
  ESM2_OUTPUTS,
  type Esm2Output,
  type InferEsm2Options,
  type InferredEsm2,
  inferEsm2,
} from "./infer-esm2.ts";
export {
  type PredictTokensOptions,
  predictTokens,
  type TokenPredictions,
} from "./predict-tokens.ts";
