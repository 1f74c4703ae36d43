import type { Shape } from "../../tensor/index.ts";

/** How weights in files differ from the parameters of a model. */
export interface WeightNotes {
  /** Older names: what matches is replaced. */
  readonly renames: readonly (readonly [pattern: RegExp, replacement: string])[];
  /** Put before names of files that hold the trunk alone, e.g. "esm." for an `EsmModel`. */
  readonly trunkPrefix: string;
  /** Second names of a parameter; a tensor of that name must have the same values. */
  readonly tied: Readonly<Record<string, string>>;
  /** Tensors that are no parameters here, with the reason. */
  readonly unused: readonly (readonly [pattern: RegExp, reason: string])[];
  /** Written as well, since other programs want them; values are zeros unless given. */
  readonly added: readonly {
    readonly name: string;
    readonly shape: Shape;
    readonly values?: Float32Array;
  }[];
  /** Parameters with a row for every token. */
  readonly vocabulary: readonly string[];
}

/** Norms as TensorFlow named them, and transformers 5 names them in a new model that it saves. */
const OLD_NORMS: WeightNotes["renames"] = [
  [/(?<=\bLayerNorm\.)gamma$/, "weight"],
  [/(?<=\bLayerNorm\.)beta$/, "bias"],
];

/** Files whose names and tensors are the parameters. */
export const PLAIN_NOTES: WeightNotes = {
  renames: [],
  trunkPrefix: "",
  tied: {},
  unused: [],
  added: [],
  vocabulary: [],
};

/**
 * `EsmForMaskedLM`. Its contact head, a regression on attention, is not trained here; the angles of
 * the rotary positions are written for each layer, where every release of transformers finds them.
 */
export function esm2Notes(
  layers: number,
  heads: number,
  rotary: { readonly base: number; readonly headSize: number },
): WeightNotes {
  const { base, headSize } = rotary;
  const frequencies = Float32Array.from(
    { length: Math.floor(headSize / 2) },
    (_, pair) => base ** ((-2 * pair) / headSize),
  );
  const table = "esm.embeddings.word_embeddings.weight";
  const contact = "esm.contact_head.regression";
  return {
    renames: OLD_NORMS,
    trunkPrefix: "esm.",
    tied: { "lm_head.decoder.weight": table, "lm_head.decoder.bias": "lm_head.bias" },
    unused: [
      [/rotary_embeddings\.inv_freq$/, "computed"],
      [/embeddings\.position_ids$/, "computed"],
      [/embeddings\.position_embeddings\.weight$/, "positions are rotary"],
      [/contact_head\./, "contacts are not predicted"],
      [/^(esm\.)?pooler\./, "no pooler"],
    ],
    added: [
      { name: `${contact}.weight`, shape: [1, layers * heads] },
      { name: `${contact}.bias`, shape: [1] },
      ...Array.from({ length: layers }, (_, layer) => ({
        name: `esm.encoder.layer.${layer}.attention.self.rotary_embeddings.inv_freq`,
        shape: [frequencies.length],
        values: frequencies,
      })),
    ],
    vocabulary: [table, "lm_head.bias"],
  };
}

/** `BertForMaskedLM`. */
export const BERT_NOTES: WeightNotes = {
  renames: OLD_NORMS,
  trunkPrefix: "bert.",
  tied: {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
  },
  unused: [
    [/embeddings\.(position_ids|token_type_ids)$/, "computed"],
    [/^(bert\.)?pooler\./, "no pooler"],
    [/^cls\.seq_relationship\./, "no head for next sentences"],
  ],
  added: [],
  vocabulary: ["bert.embeddings.word_embeddings.weight", "cls.predictions.bias"],
};

/** BioNeMo's layout, under the names of Megatron. */
export const BIONEMO_NOTES: WeightNotes = {
  ...PLAIN_NOTES,
  renames: [
    [/^module\./, ""],
    // Layers without Transformer Engine have norms of their own.
    [/\.input_layernorm\./, ".self_attention.linear_qkv.layer_norm_"],
    [/\.pre_mlp_layernorm\./, ".mlp.linear_fc1.layer_norm_"],
  ],
  tied: { "output_layer.weight": "embedding.word_embeddings.weight" },
  unused: [[/_extra_state$/, "state of Transformer Engine"]],
  vocabulary: ["embedding.word_embeddings.weight", "output_layer.bias"],
};
