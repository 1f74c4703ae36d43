import {
  cast,
  divide,
  embedding,
  equal,
  gelu,
  linear,
  multiply,
  type ProgramBuilder,
  reshape,
  scale,
  subtract,
  sum,
  type Value,
  where,
} from "../../tensor/index.ts";
import { type Dropouts, dense, headsOfAttention, norm, residual, wanted } from "../layers.ts";
import type { TokenInputs } from "../masked-language.ts";
import { orOne } from "../mean-embedding.ts";
import { ParameterList, type Weights } from "../parameters.ts";
import type { Esm2Config } from "./config.ts";

/** Share of tokens that ESM-2 saw masked in training: 0.15 · 0.8. */
export const MASK_RATIO = 0.15 * 0.8;

const TABLE = "esm.embeddings.word_embeddings.weight";
const FINAL_NORM = "esm.encoder.emb_layer_norm_after";
const layerName = (layer: number): string => `esm.encoder.layer.${layer}`;

/** Parameters under the names of `EsmForMaskedLM`, trunk first. */
export function esm2Parameters(
  config: Esm2Config,
  options: { readonly trained?: boolean } = {},
): { readonly trunk: ParameterList; readonly head: ParameterList } {
  const { hiddenSize: h, intermediateSize, vocabSize, padId: zeroRow } = config;
  const settings = { std: config.initialStd, ...options };
  const trunk = new ParameterList(settings).matrix(TABLE, [vocabSize, h], { zeroRow });
  for (let layer = 0; layer < config.layers; layer++) {
    const name = layerName(layer);
    trunk.norm(`${name}.attention.LayerNorm`, h);
    for (const part of ["query", "key", "value"])
      trunk.linear(`${name}.attention.self.${part}`, h, h);
    trunk
      .linear(`${name}.attention.output.dense`, h, h)
      .norm(`${name}.LayerNorm`, h)
      .linear(`${name}.intermediate.dense`, intermediateSize, h)
      .linear(`${name}.output.dense`, h, intermediateSize);
  }
  trunk.norm(FINAL_NORM, h);
  const head = new ParameterList(settings)
    .linear("lm_head.dense", h, h)
    .norm("lm_head.layer_norm", h)
    .bias("lm_head.bias", vocabSize);
  return { trunk, head };
}

/** Last hidden states, after the final norm: [batch, length, hidden], or those of `lossRows`. */
export function esm2Trunk(
  builder: ProgramBuilder,
  weights: Weights,
  tokens: TokenInputs,
  config: Esm2Config,
  dropouts: Dropouts,
): Value {
  const epsilon = config.layerNormEpsilon;
  let x = embeddings(builder, weights, tokens, config);
  for (let layer = 0; layer < config.layers; layer++) {
    const name = layerName(layer);
    const normed = norm(weights, `${name}.attention.LayerNorm`, x, epsilon);
    const part = (of: string) => dense(weights, `${name}.attention.self.${of}`, normed);
    const mixed = headsOfAttention(part("query"), part("key"), part("value"), {
      heads: config.heads,
      rotaryBase: config.rotaryBase,
      dropoutRate: config.attentionDropout,
      dropouts,
      sight: tokens,
    });
    const only = (value: Value) => wanted(value, tokens.lossRows, layer === config.layers - 1);
    const attended = dense(weights, `${name}.attention.output.dense`, only(mixed));
    x = residual(only(x), attended, config.hiddenDropout, dropouts);
    const wide = dense(
      weights,
      `${name}.intermediate.dense`,
      norm(weights, `${name}.LayerNorm`, x, epsilon),
    );
    const narrow = dense(weights, `${name}.output.dense`, gelu(wide));
    x = residual(x, narrow, config.hiddenDropout, dropouts);
  }
  return norm(weights, FINAL_NORM, x, epsilon);
}

/** Logits [rows, vocabulary] of hidden states [rows, hidden]; the output matrix is the embedding. */
export function esm2Head(weights: Weights, rows: Value, config: Esm2Config): Value {
  const x = gelu(dense(weights, "lm_head.dense", rows));
  const normed = norm(weights, "lm_head.layer_norm", x, config.layerNormEpsilon);
  return linear(normed, weights(TABLE), weights("lm_head.bias"));
}

function embeddings(
  builder: ProgramBuilder,
  weights: Weights,
  { ids, keyMask }: TokenInputs,
  config: Esm2Config,
): Value {
  const x = embedding(weights(TABLE), ids);
  const factors =
    keyMask === undefined
      ? builder.input("embedding_scale", "float32", ids.shape)
      : embeddingScale(builder, ids, keyMask, config);
  return multiply(x, reshape(factors, [...ids.shape, 1]));
}

/**
 * float32 [batch, length]: 0 at padding and, with token dropout, at mask tokens; the other tokens
 * of a row with k masks of n tokens have 0.88 / (1 - k / n).
 */
function embeddingScale(
  builder: ProgramBuilder,
  ids: Value,
  keyMask: Value,
  config: Esm2Config,
): Value {
  const present = cast(keyMask, "float32");
  if (!config.tokenDropout) return present;
  const isMask = equal(ids, builder.constant("int32", [], Int32Array.of(config.maskId)));
  const count = (x: Value) => sum(cast(x, "float32"), { axes: [1], keepDims: true });
  const unmasked = subtract(count(keyMask), count(isMask));
  const factor = divide(scale(count(keyMask), 1 - MASK_RATIO), orOne(builder, unmasked));
  return where(isMask, builder.scalar(0), multiply(present, factor));
}
