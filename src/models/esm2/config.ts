import { NotFoundError } from "../../../formats/common/errors.ts";
import { requireSizes } from "../parameters.ts";

/** An ESM-2 of any size. */
export interface Esm2Config {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  /** Width of the feed-forward layers. */
  readonly intermediateSize: number;
  readonly vocabSize: number;
  readonly padId: number;
  readonly maskId: number;
  /**
   * Zeroes the embeddings of mask tokens and scales the others by 0.88 over the share of tokens that
   * are not masked.
   */
  readonly tokenDropout: boolean;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  readonly layerNormEpsilon: number;
  /** Standard deviation of initial matrices. */
  readonly initialStd: number;
  readonly rotaryBase: number;
  /** Kept for other programs; rotary positions have no end. */
  readonly maxPositions: number;
}

const DEFAULTS = {
  vocabSize: 33,
  padId: 1,
  maskId: 32,
  tokenDropout: true,
  hiddenDropout: 0,
  attentionDropout: 0,
  layerNormEpsilon: 1e-5,
  initialStd: 0.02,
  rotaryBase: 10_000,
  maxPositions: 1026,
};

const size = (layers: number, hiddenSize: number, heads: number) => ({ layers, hiddenSize, heads });

/** The published sizes. */
export const ESM2_SIZES = {
  "8M": size(6, 320, 20),
  "35M": size(12, 480, 20),
  "150M": size(30, 640, 20),
  "650M": size(33, 1280, 20),
  "3B": size(36, 2560, 40),
  "15B": size(48, 5120, 40),
} as const;

export type Esm2Size = keyof typeof ESM2_SIZES;

/** What must be said of a size of one's own; the rest has ESM-2's values. */
export type Esm2Options = Pick<Esm2Config, "layers" | "hiddenSize" | "heads"> & Partial<Esm2Config>;

/**
 * A published size by name, or one of your own; the feed-forward width is 4 · hiddenSize unless given.
 * @throws NotFoundError for another name, InvalidArgumentError for sizes that do not go together.
 */
export function esm2Config(options: Esm2Size | Esm2Options): Esm2Config {
  if (typeof options === "string" && !Object.hasOwn(ESM2_SIZES, options)) {
    throw new NotFoundError("size-unknown", `there is no ESM-2 of size ${options}`, {
      what: options,
      available: Object.keys(ESM2_SIZES),
    });
  }
  const given: Esm2Options = typeof options === "string" ? ESM2_SIZES[options] : options;
  const config = { ...DEFAULTS, intermediateSize: 4 * given.hiddenSize, ...given };
  const { layers, hiddenSize, heads, intermediateSize, vocabSize } = config;
  const sizes = { layers, hiddenSize, heads, intermediateSize, vocabSize };
  requireSizes("esm2", sizes, hiddenSize, heads);
  return config;
}
