import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { TorchGenerator } from "../random/torch-generator.ts";

/** The label of a token that the loss does not count. */
export const IGNORED_LABEL = -100;

export interface BertMaskOptions {
  /** Ids that are never masked. */
  readonly specialIds: Iterable<number>;
  /** The id put in place of most masked tokens. */
  readonly maskId: number;
  /** Random tokens are drawn from [low, high). */
  readonly randomTokens: readonly [low: number, high: number];
  /** Share of the tokens that the loss counts. Default 0.15. */
  readonly maskProb?: number;
  /** Share of those replaced by the mask token. Default 0.8. */
  readonly maskTokenProb?: number;
  /** Share of those replaced by a random token; what is left stays. Default 0.1. */
  readonly randomTokenProb?: number;
}

/** Beyond this an id is a mistake, and would make a table of special ids too large. */
const IDS_END = 2 ** 24;

/** How tokens are masked, checked; BioNeMo's class of this name, for any tokenizer. */
export class BertMaskConfig {
  readonly specialIds: readonly number[];
  readonly maskId: number;
  readonly randomTokens: readonly [low: number, high: number];
  readonly maskProb: number;
  readonly maskTokenProb: number;
  readonly randomTokenProb: number;

  /**
   * @throws InvalidArgumentError for a probability outside 0 to 1, maskTokenProb + randomTokenProb
   *   above 1, an id that is none, or no random tokens to draw from.
   */
  constructor(options: BertMaskOptions) {
    this.specialIds = [...options.specialIds];
    this.maskId = options.maskId;
    this.randomTokens = [...options.randomTokens];
    this.maskProb = options.maskProb ?? 0.15;
    this.maskTokenProb = options.maskTokenProb ?? 0.8;
    this.randomTokenProb = options.randomTokenProb ?? 0.1;
    for (const name of ["maskProb", "maskTokenProb", "randomTokenProb"] as const) {
      const value = this[name];
      if (value >= 0 && value <= 1) continue;
      throw new InvalidArgumentError(name, value, `${name} is ${value}, expected 0 to 1`);
    }
    const sum = this.randomTokenProb + this.maskTokenProb;
    if (sum > 1) {
      throw new InvalidArgumentError(
        "randomTokenProb",
        this.randomTokenProb,
        `Sum of random_token_prob and mask_token_prob must be less than or equal to 1.0. It is ${sum}`,
      );
    }
    for (const id of this.specialIds) assertId("specialIds", id);
    assertId("maskId", this.maskId);
    const [low, high] = this.randomTokens;
    assertId("randomTokens", low);
    assertId("randomTokens", high - 1);
    if (low >= high) {
      throw new InvalidArgumentError(
        "randomTokens",
        this.randomTokens,
        `randomTokens is [${low}, ${high}), expected at least one id`,
      );
    }
  }
}

/** Tokens after masking; all arrays as long as the tokens, owned by the caller. */
export interface MaskedTokens {
  /** Token ids, some replaced. */
  readonly text: Int32Array;
  /** The token before masking where the loss counts, -100 elsewhere. */
  readonly labels: Int32Array;
  /** 1 where the loss counts. */
  readonly lossMask: Uint8Array;
}

/**
 * BERT's masking, value for value as BioNeMo's `apply_bert_pretraining_mask` with torch: one draw a
 * token, special ones included, then one for each random token in the order of the tokens.
 *
 * `seed` is an integer of -2^63 to 2^64 - 1, e.g. of `seedFrom`. `tokens` stays as it is.
 *
 * @throws InvalidArgumentError for a seed that is none.
 */
export function applyBertPretrainingMask(
  tokens: Int32Array,
  seed: number | bigint,
  config: BertMaskConfig,
): MaskedTokens {
  const text = Int32Array.from(tokens);
  const labels = new Int32Array(text.length);
  const lossMask = new Uint8Array(text.length);
  new BertMasker(config).mask(seed, text, labels, lossMask, 0, text.length);
  return { text, labels, lossMask };
}

/** {@link applyBertPretrainingMask} in place, for many sequences: it keeps its memory. */
export class BertMasker {
  readonly #generator = TorchGenerator.fromSeed(0);
  readonly #isSpecial: Uint8Array;
  readonly #maskId: number;
  readonly #randomTokens: readonly [number, number];
  /** Draws below these are masked at all, replaced by the mask token, replaced by any token. */
  readonly #masked: number;
  readonly #toMask: number;
  readonly #replaced: number;
  #draws = new Float32Array(1024);
  #random = new Int32Array(64);

  constructor(config: BertMaskConfig) {
    const { maskProb, maskTokenProb, randomTokenProb, specialIds } = config;
    this.#isSpecial = new Uint8Array(Math.max(-1, ...specialIds) + 1);
    for (const id of specialIds) this.#isSpecial[id] = 1;
    this.#maskId = config.maskId;
    this.#randomTokens = config.randomTokens;
    // torch compares float32 draws with the probabilities rounded to float32.
    this.#masked = Math.fround(maskProb);
    this.#toMask = Math.fround(maskProb * maskTokenProb);
    this.#replaced = Math.fround(maskProb * (maskTokenProb + randomTokenProb));
  }

  /** Masks text[begin, end) and fills the same places of labels and lossMask. */
  mask(
    seed: number | bigint,
    text: Int32Array,
    labels: Int32Array,
    lossMask: Uint8Array,
    begin: number,
    end: number,
  ): void {
    const length = end - begin;
    if (this.#draws.length < length) this.#draws = new Float32Array(2 * length);
    if (this.#random.length < length) this.#random = new Int32Array(2 * length);
    const random = this.#random;
    const isSpecial = this.#isSpecial;
    const masked = this.#masked;
    const generator = this.#generator;
    generator.manualSeed(seed);
    const draws = generator.fillRand(this.#draws.subarray(0, length));
    let randoms = 0;
    for (let i = 0; i < length; i++) {
      const at = begin + i;
      const draw = draws[i] as number;
      const token = text[at] as number;
      if (draw >= masked || isSpecial[token] === 1) {
        labels[at] = IGNORED_LABEL;
        lossMask[at] = 0;
        continue;
      }
      labels[at] = token;
      lossMask[at] = 1;
      if (draw < this.#toMask) text[at] = this.#maskId;
      else if (draw < this.#replaced) random[randoms++] = at;
    }
    if (randoms === 0) return;
    const [low, high] = this.#randomTokens;
    const drawn = generator.randint(low, high, randoms);
    for (let k = 0; k < randoms; k++) text[random[k] as number] = drawn[k] as number;
  }
}

function assertId(argument: string, id: number): void {
  if (Number.isInteger(id) && id >= 0 && id < IDS_END) return;
  throw new InvalidArgumentError(
    argument,
    id,
    `${argument}: ${id} is no token id, expected an integer of 0 to ${IDS_END - 1}`,
  );
}
