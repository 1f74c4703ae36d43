import { IncompatibleError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import { ConfigReader } from "../config-reader.ts";
import { type Esm2Config, esm2Config } from "./config.ts";

/** `config.json` of an `EsmForMaskedLM`. */
export function esm2ToHuggingFace(config: Esm2Config): Readonly<Record<string, unknown>> {
  return {
    architectures: ["EsmForMaskedLM"],
    model_type: "esm",
    vocab_size: config.vocabSize,
    mask_token_id: config.maskId,
    pad_token_id: config.padId,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    intermediate_size: config.intermediateSize,
    hidden_act: "gelu",
    hidden_dropout_prob: config.hiddenDropout,
    attention_probs_dropout_prob: config.attentionDropout,
    max_position_embeddings: config.maxPositions,
    position_embedding_type: "rotary",
    rope_theta: config.rotaryBase,
    initializer_range: config.initialStd,
    layer_norm_eps: config.layerNormEpsilon,
    emb_layer_norm_before: false,
    token_dropout: config.tokenDropout,
    is_folding_model: false,
    use_cache: true,
    torch_dtype: "float32",
  };
}

/**
 * An ESM-2 from Hugging Face's `config.json`; values that are not there have their class's defaults.
 * @throws FormatError for values of the wrong type, UnsupportedFeatureError for an ESM-1, ESMFold
 * @param path names the file in errors
 */
export function esm2FromHuggingFace(
  json: Readonly<Record<string, unknown>>,
  path: string,
): Esm2Config {
  const read = new ConfigReader(json, path);
  const type = read.text("model_type", "");
  if (type !== "esm") {
    throw new IncompatibleError("other-model", `${path}: expected model_type esm, found ${type}`);
  }
  const positions = read.text("position_embedding_type", "absolute");
  if (positions !== "rotary") throw unsupported(path, `position_embedding_type ${positions}`);
  for (const name of ["emb_layer_norm_before", "is_folding_model", "is_decoder"]) {
    if (read.flag(name, false)) throw unsupported(path, `${name} true`);
  }
  return esm2Config({
    vocabSize: read.whole("vocab_size", 33),
    maskId: read.whole("mask_token_id", 32),
    padId: read.whole("pad_token_id", 1),
    hiddenSize: read.whole("hidden_size", 768),
    layers: read.whole("num_hidden_layers", 12),
    heads: read.whole("num_attention_heads", 12),
    intermediateSize: read.whole("intermediate_size", 3072),
    hiddenDropout: read.number("hidden_dropout_prob", 0.1),
    attentionDropout: read.number("attention_probs_dropout_prob", 0.1),
    maxPositions: read.whole("max_position_embeddings", 1026),
    rotaryBase: read.number("rope_theta", 10_000),
    initialStd: read.number("initializer_range", 0.02),
    layerNormEpsilon: read.number("layer_norm_eps", 1e-12),
    tokenDropout: read.flag("token_dropout", false),
  });
}

function unsupported(path: string, what: string): UnsupportedFeatureError {
  return new UnsupportedFeatureError("esm", `${path}: ${what}: only ESM-2 can be built`);
}
