import { gelu, layerNorm, linear, reshape, slice, type Value } from "../../tensor/index.ts";
import { dense, headsOfAttention, norm, residual, wanted } from "../layers.ts";
import { ParameterList, type Weights } from "../parameters.ts";
import { activate, type GeneformerNetwork, positioned } from "./layout.ts";

const WORDS = "embedding.word_embeddings.weight";
const POSITIONS = "embedding.position_embeddings.weight";
const FINAL_NORM = "encoder.final_layernorm";
const layerName = (layer: number): string => `encoder.layers.${layer}`;

/** BioNeMo's layout: norms before the layers, names and joined q, k, v of Megatron. */
export const BIONEMO_LAYOUT: GeneformerNetwork = {
  parameters(config) {
    const { hiddenSize: h, intermediateSize, vocabSize, initialStd: std } = config;
    // Megatron begins layers that end in a sum with smaller values, the more layers there are.
    const scaled = std / Math.sqrt(2 * config.layers);
    const trunk = new ParameterList({ std })
      .matrix(WORDS, [vocabSize, h])
      .matrix(POSITIONS, [config.maxPositions, h]);
    for (let layer = 0; layer < config.layers; layer++) {
      const name = layerName(layer);
      trunk
        .norm(`${name}.self_attention.linear_qkv.layer_norm`, h, "_")
        .linear(`${name}.self_attention.linear_qkv`, 3 * h, h)
        .linear(`${name}.self_attention.linear_proj`, h, h, scaled)
        .norm(`${name}.mlp.linear_fc1.layer_norm`, h, "_")
        .linear(`${name}.mlp.linear_fc1`, intermediateSize, h)
        .linear(`${name}.mlp.linear_fc2`, h, intermediateSize, scaled);
    }
    trunk.norm(FINAL_NORM, h);
    const head = new ParameterList({ std })
      .linear("lm_head.dense", h, h)
      .norm("lm_head.layer_norm", h)
      .bias("output_layer.bias", vocabSize);
    return { trunk, head };
  },

  trunk(_builder, weights, tokens, config, dropouts) {
    const { heads, hiddenDropout: rate, layerNormEpsilon: epsilon } = config;
    let x = dropouts.apply(positioned(weights(WORDS), weights(POSITIONS), tokens), rate);
    const normed = (name: string) =>
      layerNorm(
        x,
        weights(`${name}.layer_norm_weight`),
        weights(`${name}.layer_norm_bias`),
        epsilon,
      );
    for (let layer = 0; layer < config.layers; layer++) {
      const name = layerName(layer);
      const joined = `${name}.self_attention.linear_qkv`;
      const input = normed(joined);
      const [q, k, v] = splitByHeads(weights, joined, input, heads);
      const mixed = headsOfAttention(q, k, v, {
        heads,
        dropoutRate: config.attentionDropout,
        dropouts,
        sight: { keyMask: tokens.keyMask, segments: tokens.segments },
      });
      const only = (value: Value) => wanted(value, tokens.lossRows, layer === config.layers - 1);
      const attended = dense(weights, `${name}.self_attention.linear_proj`, only(mixed));
      x = residual(only(x), attended, rate, dropouts);
      const feed = `${name}.mlp.linear_fc1`;
      const wide = activate(dense(weights, feed, normed(feed)), config.activation);
      x = residual(x, dense(weights, `${name}.mlp.linear_fc2`, wide), rate, dropouts);
    }
    return norm(weights, FINAL_NORM, x, epsilon);
  },

  head(weights, rows, config) {
    const x = gelu(dense(weights, "lm_head.dense", rows));
    const normed = norm(weights, "lm_head.layer_norm", x, config.layerNormEpsilon);
    return linear(normed, weights(WORDS), weights("output_layer.bias"));
  },
};

/**
 * q, k and v by the joined matrix, whose rows are those of q, k, v of the first head, then of the
 * second, ... The matrix is taken apart, not the products: it is much smaller.
 */
function splitByHeads(weights: Weights, name: string, x: Value, heads: number) {
  const [weight, bias] = [weights(`${name}.weight`), weights(`${name}.bias`)];
  const [rows = 1, inner = 1] = weight.shape;
  const part = (at: number): Value => {
    const of = (matrix: Value) => slice(reshape(matrix, [heads, 3, -1]), 1, at, at + 1);
    return linear(x, reshape(of(weight), [rows / 3, inner]), reshape(of(bias), [rows / 3]));
  };
  return [part(0), part(1), part(2)] as const;
}
