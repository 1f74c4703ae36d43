import { NotFoundError } from "../../../formats/common/errors.ts";
import { requireSizes } from "../parameters.ts";

/** The layers, and the names of parameters. */
export type GeneformerLayout =
  /** BioNeMo's: norms before the layers, names of Megatron. */
  | "bionemo"
  /** The authors': norms behind the layers, `BertForMaskedLM` of transformers. */
  | "bert";

export type Activation = "gelu" | "gelu_tanh" | "relu";

/** A Geneformer of any size. */
export interface GeneformerConfig {
  readonly layout: GeneformerLayout;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  /** Width of the feed-forward layers. */
  readonly intermediateSize: number;
  readonly vocabSize: number;
  readonly padId: number;
  /** Rows of the table of positions: no sequence may be longer. */
  readonly maxPositions: number;
  readonly activation: Activation;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  readonly layerNormEpsilon: number;
  /** Standard deviation of initial matrices. */
  readonly initialStd: number;
  /** Leaves the first and the last token out of the mean that is a cell's embedding. */
  readonly specialTokens: boolean;
}

const BIONEMO = {
  layout: "bionemo",
  vocabSize: 25_472,
  padId: 0,
  maxPositions: 2048,
  activation: "gelu",
  hiddenDropout: 0.02,
  attentionDropout: 0.1,
  layerNormEpsilon: 1e-12,
  initialStd: 0.02,
  specialTokens: true,
} as const;

const BERT = {
  ...BIONEMO,
  layout: "bert",
  vocabSize: 25_426,
  activation: "relu",
  attentionDropout: 0.02,
  specialTokens: false,
} as const;

const size = (layers: number, hiddenSize: number, intermediateSize: number, heads: number) => ({
  layers,
  hiddenSize,
  intermediateSize,
  heads,
});

const V2 = { ...BERT, vocabSize: 20_275, maxPositions: 4096, specialTokens: true } as const;

/** BioNeMo's sizes, and those that the authors published (V1, V2). */
export const GENEFORMER_SIZES = {
  "10M": { ...BIONEMO, ...size(6, 256, 512, 4) },
  "106M": { ...BIONEMO, ...size(12, 768, 3072, 12) },
  "V1-10M": { ...BERT, ...size(6, 256, 512, 4) },
  "V2-104M": { ...V2, ...size(12, 768, 3072, 12) },
  "V2-316M": { ...V2, ...size(18, 1152, 4608, 18) },
} as const;

export type GeneformerSize = keyof typeof GENEFORMER_SIZES;

/** What must be said of a size of one's own; the rest has the values of the layout's 10M. */
export type GeneformerOptions = Pick<GeneformerConfig, "layers" | "hiddenSize" | "heads"> &
  Partial<GeneformerConfig>;

/**
 * A size by name, or one of your own: layout "bionemo" and a feed-forward width of 4 · hiddenSize
 * unless given.
 * @throws NotFoundError for another name, InvalidArgumentError for sizes that do not go together.
 */
export function geneformerConfig(options: GeneformerSize | GeneformerOptions): GeneformerConfig {
  if (typeof options === "string") {
    if (Object.hasOwn(GENEFORMER_SIZES, options)) return GENEFORMER_SIZES[options];
    throw new NotFoundError("size-unknown", `there is no Geneformer of size ${options}`, {
      what: options,
      available: Object.keys(GENEFORMER_SIZES),
    });
  }
  const defaults = options.layout === "bert" ? BERT : BIONEMO;
  const config = { ...defaults, intermediateSize: 4 * options.hiddenSize, ...options };
  const { layers, hiddenSize, heads, intermediateSize, vocabSize, maxPositions } = config;
  const sizes = { layers, hiddenSize, heads, intermediateSize, vocabSize, maxPositions };
  requireSizes("geneformer", sizes, hiddenSize, heads);
  return config;
}
