import {
  add,
  embedding,
  gelu,
  type ProgramBuilder,
  relu,
  reshape,
  slice,
  type Value,
} from "../../tensor/index.ts";
import type { Dropouts } from "../layers.ts";
import type { TokenInputs } from "../masked-language.ts";
import type { ParameterList, Weights } from "../parameters.ts";
import type { Activation, GeneformerConfig } from "./config.ts";

/** The network of one layout. */
export interface GeneformerNetwork {
  /** Parameters before and in the head. */
  parameters(config: GeneformerConfig): {
    readonly trunk: ParameterList;
    readonly head: ParameterList;
  };
  /** Last hidden states [batch, length, hidden], or those of `lossRows`. */
  trunk(
    builder: ProgramBuilder,
    weights: Weights,
    tokens: TokenInputs,
    config: GeneformerConfig,
    dropouts: Dropouts,
  ): Value;
  /** Logits [rows, vocabulary] of hidden states [rows, hidden]; the output matrix is the embedding. */
  head(weights: Weights, rows: Value, config: GeneformerConfig): Value;
}

/** The activation by its name. */
export function activate(x: Value, activation: Activation): Value {
  switch (activation) {
    case "relu":
      return relu(x);
    case "gelu":
      return gelu(x);
    case "gelu_tanh":
      return gelu(x, "tanh");
  }
}

/**
 * Embeddings of tokens plus those of their positions, [batch, length, hidden]. `everywhere` [hidden]
 * is added at all positions.
 */
export function positioned(
  words: Value,
  positions: Value,
  tokens: TokenInputs,
  everywhere?: Value,
): Value {
  const [, length = 1] = tokens.ids.shape;
  const shift = (x: Value) => (everywhere === undefined ? x : add(x, everywhere));
  const places =
    tokens.positions === undefined
      ? reshape(shift(slice(positions, 0, 0, length)), [1, length, -1])
      : shift(embedding(positions, tokens.positions));
  return add(embedding(words, tokens.ids), places);
}
