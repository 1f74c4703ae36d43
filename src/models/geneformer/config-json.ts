import { IncompatibleError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import { ConfigReader } from "../config-reader.ts";
import { type Activation, type GeneformerConfig, geneformerConfig } from "./config.ts";

/** transformers' names of the activations. */
const BERT_ACTIVATIONS: ReadonlyMap<string, Activation> = new Map([
  ["gelu", "gelu"],
  ["relu", "relu"],
  ["gelu_pytorch_tanh", "gelu_tanh"],
  ["gelu_new", "gelu_tanh"],
]);

/** `model_type` of BioNeMo's layout, which transformers does not have. */
const BIONEMO_TYPE = "bionemo-geneformer";

/** `config.json`: that of a `BertForMaskedLM`, or BioNeMo's names of the same. */
export function geneformerToJson(config: GeneformerConfig): Readonly<Record<string, unknown>> {
  const { layout, layers, hiddenSize, heads, intermediateSize, activation } = config;
  if (layout === "bert") {
    return {
      architectures: ["BertForMaskedLM"],
      model_type: "bert",
      vocab_size: config.vocabSize,
      pad_token_id: config.padId,
      hidden_size: hiddenSize,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      intermediate_size: intermediateSize,
      hidden_act: activation === "gelu_tanh" ? "gelu_pytorch_tanh" : activation,
      hidden_dropout_prob: config.hiddenDropout,
      attention_probs_dropout_prob: config.attentionDropout,
      max_position_embeddings: config.maxPositions,
      position_embedding_type: "absolute",
      type_vocab_size: 2,
      initializer_range: config.initialStd,
      layer_norm_eps: config.layerNormEpsilon,
      special_tokens: config.specialTokens,
      use_cache: true,
      torch_dtype: "float32",
    };
  }
  return {
    model_type: BIONEMO_TYPE,
    vocab_size: config.vocabSize,
    pad_token_id: config.padId,
    hidden_size: hiddenSize,
    num_layers: layers,
    num_attention_heads: heads,
    ffn_hidden_size: intermediateSize,
    activation_func: activation,
    hidden_dropout: config.hiddenDropout,
    attention_dropout: config.attentionDropout,
    seq_length: config.maxPositions,
    init_method_std: config.initialStd,
    layernorm_epsilon: config.layerNormEpsilon,
    special_tokens: config.specialTokens,
  };
}

/**
 * A Geneformer from `config.json`, of either layout; values that are not there have the defaults of
 * transformers' BertConfig, or of BioNeMo.
 * @throws FormatError for values of the wrong type, IncompatibleError for another model
 * @param path names the file in errors
 */
export function geneformerFromJson(
  json: Readonly<Record<string, unknown>>,
  path: string,
): GeneformerConfig {
  const read = new ConfigReader(json, path);
  const type = read.text("model_type", "");
  if (type === BIONEMO_TYPE) return fromBioNeMo(read, path);
  if (type === "bert") return fromBert(read, path);
  throw new IncompatibleError(
    "other-model",
    `${path}: expected model_type bert or ${BIONEMO_TYPE}, found ${type}`,
  );
}

function fromBert(read: ConfigReader, path: string): GeneformerConfig {
  const positions = read.text("position_embedding_type", "absolute");
  if (positions !== "absolute") throw unsupported(path, `position_embedding_type ${positions}`);
  if (read.flag("is_decoder", false)) throw unsupported(path, "is_decoder true");
  if (read.whole("type_vocab_size", 2) !== 2)
    throw unsupported(path, "type_vocab_size other than 2");
  const name = read.text("hidden_act", "gelu");
  return geneformerConfig({
    layout: "bert",
    vocabSize: read.whole("vocab_size", 30_522),
    padId: read.whole("pad_token_id", 0),
    hiddenSize: read.whole("hidden_size", 768),
    layers: read.whole("num_hidden_layers", 12),
    heads: read.whole("num_attention_heads", 12),
    intermediateSize: read.whole("intermediate_size", 3072),
    activation: activationOf(BERT_ACTIVATIONS.get(name), name, path),
    hiddenDropout: read.number("hidden_dropout_prob", 0.1),
    attentionDropout: read.number("attention_probs_dropout_prob", 0.1),
    maxPositions: read.whole("max_position_embeddings", 512),
    initialStd: read.number("initializer_range", 0.02),
    layerNormEpsilon: read.number("layer_norm_eps", 1e-12),
    specialTokens: read.flag("special_tokens", false),
  });
}

function fromBioNeMo(read: ConfigReader, path: string): GeneformerConfig {
  const name = read.text("activation_func", "gelu");
  const known = [...BERT_ACTIVATIONS.values()].find((activation) => activation === name);
  return geneformerConfig({
    layout: "bionemo",
    vocabSize: read.whole("vocab_size", 25_472),
    padId: read.whole("pad_token_id", 0),
    hiddenSize: read.whole("hidden_size", 256),
    layers: read.whole("num_layers", 6),
    heads: read.whole("num_attention_heads", 4),
    intermediateSize: read.whole("ffn_hidden_size", 512),
    activation: activationOf(known, name, path),
    hiddenDropout: read.number("hidden_dropout", 0.02),
    attentionDropout: read.number("attention_dropout", 0.1),
    maxPositions: read.whole("seq_length", 2048),
    initialStd: read.number("init_method_std", 0.02),
    layerNormEpsilon: read.number("layernorm_epsilon", 1e-12),
    specialTokens: read.flag("special_tokens", true),
  });
}

function activationOf(known: Activation | undefined, name: string, path: string): Activation {
  if (known === undefined) throw unsupported(path, `the activation ${name}`);
  return known;
}

function unsupported(path: string, what: string): UnsupportedFeatureError {
  return new UnsupportedFeatureError("geneformer", `${path}: ${what} is not supported`);
}
