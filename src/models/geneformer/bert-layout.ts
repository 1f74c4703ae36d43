import { linear, reshape, slice, type Value } from "../../tensor/index.ts";
import { dense, headsOfAttention, norm, residual, wanted } from "../layers.ts";
import { ParameterList, type Weights } from "../parameters.ts";
import type { GeneformerConfig } from "./config.ts";
import { activate, type GeneformerNetwork, positioned } from "./layout.ts";

const EMBEDDINGS = "bert.embeddings";
const WORDS = `${EMBEDDINGS}.word_embeddings.weight`;
const POSITIONS = `${EMBEDDINGS}.position_embeddings.weight`;
const TYPES = `${EMBEDDINGS}.token_type_embeddings.weight`;
const HEAD = "cls.predictions";
const layerName = (layer: number): string => `bert.encoder.layer.${layer}`;
/** Kinds of segments in the table; all tokens are of the first. */
const TYPE_COUNT = 2;

/** The authors' layout: `BertForMaskedLM`, norms behind the layers. */
export const BERT_LAYOUT: GeneformerNetwork = {
  parameters(config) {
    const { hiddenSize: h, intermediateSize, vocabSize, padId: zeroRow } = config;
    const settings = { std: config.initialStd };
    const trunk = new ParameterList(settings)
      .matrix(WORDS, [vocabSize, h], { zeroRow })
      .matrix(POSITIONS, [config.maxPositions, h])
      .matrix(TYPES, [TYPE_COUNT, h])
      .norm(`${EMBEDDINGS}.LayerNorm`, h);
    for (let layer = 0; layer < config.layers; layer++) {
      const name = layerName(layer);
      for (const part of ["query", "key", "value"])
        trunk.linear(`${name}.attention.self.${part}`, h, h);
      trunk
        .linear(`${name}.attention.output.dense`, h, h)
        .norm(`${name}.attention.output.LayerNorm`, h)
        .linear(`${name}.intermediate.dense`, intermediateSize, h)
        .linear(`${name}.output.dense`, h, intermediateSize)
        .norm(`${name}.output.LayerNorm`, h);
    }
    const head = new ParameterList(settings)
      .linear(`${HEAD}.transform.dense`, h, h)
      .norm(`${HEAD}.transform.LayerNorm`, h)
      .bias(`${HEAD}.bias`, vocabSize);
    return { trunk, head };
  },

  trunk(_builder, weights, tokens, config, dropouts) {
    const { hiddenDropout: rate, layerNormEpsilon: epsilon } = config;
    const kind = reshape(slice(weights(TYPES), 0, 0, 1), [config.hiddenSize]);
    const sum = positioned(weights(WORDS), weights(POSITIONS), tokens, kind);
    let x = dropouts.apply(norm(weights, `${EMBEDDINGS}.LayerNorm`, sum, epsilon), rate);
    for (let layer = 0; layer < config.layers; layer++) {
      const name = layerName(layer);
      const input = x;
      const part = (of: string) => dense(weights, `${name}.attention.self.${of}`, input);
      const mixed = headsOfAttention(part("query"), part("key"), part("value"), {
        heads: config.heads,
        dropoutRate: config.attentionDropout,
        dropouts,
        sight: { keyMask: tokens.keyMask, segments: tokens.segments },
      });
      const only = (value: Value) => wanted(value, tokens.lossRows, layer === config.layers - 1);
      const attended = dense(weights, `${name}.attention.output.dense`, only(mixed));
      const joined = residual(only(x), attended, rate, dropouts);
      x = norm(weights, `${name}.attention.output.LayerNorm`, joined, epsilon);
      const fed = residual(x, feedForward(weights, name, x, config), rate, dropouts);
      x = norm(weights, `${name}.output.LayerNorm`, fed, epsilon);
    }
    return x;
  },

  head(weights, rows, config) {
    const x = activate(dense(weights, `${HEAD}.transform.dense`, rows), config.activation);
    const normed = norm(weights, `${HEAD}.transform.LayerNorm`, x, config.layerNormEpsilon);
    return linear(normed, weights(WORDS), weights(`${HEAD}.bias`));
  },
};

function feedForward(weights: Weights, name: string, x: Value, config: GeneformerConfig): Value {
  const wide = activate(dense(weights, `${name}.intermediate.dense`, x), config.activation);
  return dense(weights, `${name}.output.dense`, wide);
}
