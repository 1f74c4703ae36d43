import { IncompatibleError, InvalidArgumentError } from "../../formats/common/errors.ts";
import { NumpyGenerator } from "../random/numpy-generator.ts";
import { seedFrom } from "../random/seed-from.ts";
import type { EpochIndex, MultiEpochDataset } from "../sampling/multi-epoch-dataset.ts";
import { type BertCollateOptions, BertRows } from "../tokenize/bert-collate.ts";
import type { BertBatch, BertItem } from "../tokenize/bert-item.ts";
import { BertMaskConfig, BertMasker } from "../tokenize/bert-mask.ts";
import { EsmTokenizer } from "../tokenize/esm-tokenizer.ts";
import { AMINO_ACID_IDS } from "../tokenize/esm-tokens.ts";
import { assertLength } from "../tokenize/padded-length.ts";
import { type CropWindows, cropBegin } from "../tokenize/random-crop.ts";
import type { ClusteredProteins } from "./protein-source.ts";

/** What a masked residue is replaced by at random: any of the 33 tokens, or one of 20 amino acids. */
export type RandomMaskStrategy = "all_tokens" | "amino_acids_only";

export interface EsmMaskedResidueOptions {
  /** Default 42. */
  readonly seed?: number | bigint;
  /** Most tokens of an item, `<cls>` and `<eos>` among them. Default 1024. */
  readonly maxSeqLength?: number;
  /** Share of the tokens that the loss counts. Default 0.15. */
  readonly maskProb?: number;
  /** Share of those replaced by `<mask>`. Default 0.8. */
  readonly maskTokenProb?: number;
  /** Share of those replaced at random. Default 0.1. */
  readonly maskRandomProb?: number;
  /** Default "all_tokens", the original's. */
  readonly randomMaskStrategy?: RandomMaskStrategy;
  /** Windows of longer proteins. Default "bionemo", whose items are the original's. */
  readonly cropWindows?: CropWindows;
  /** Default that of ESM-2's 33 tokens. */
  readonly tokenizer?: EsmTokenizer;
}

/** How to make a batch of items; the pad token is the tokenizer's. */
export type MaskedBatchOptions = Omit<BertCollateOptions, "paddingValue">;

/**
 * ESM-2's training items, those of BioNeMo's class of this name: item (epoch, idx) is a member of
 * cluster idx, drawn, cropped and masked by one generator seeded with (seed, epoch, idx). The same
 * index gives the same item in any process.
 *
 * The proteins stay the caller's. A call uses memory of the data set for a moment; one data set
 * serves one thread.
 */
export class ESMMaskedResidueDataset implements MultiEpochDataset<BertItem> {
  readonly clusters: ClusteredProteins;
  readonly seed: number | bigint;
  readonly maxSeqLength: number;
  readonly randomMaskStrategy: RandomMaskStrategy;
  readonly cropWindows: CropWindows;
  readonly tokenizer: EsmTokenizer;
  readonly maskConfig: BertMaskConfig;
  readonly #masker: BertMasker;
  /** Tokens of a protein, before cropping. */
  #whole = new Int32Array(0);
  /** Masked tokens of the items of a batch, one behind the other. */
  #text = new Int32Array(0);
  #labels = new Int32Array(0);
  #lossMask = new Uint8Array(0);

  /** @throws InvalidArgumentError for probabilities, lengths or names that are none. */
  constructor(clusters: ClusteredProteins, options: EsmMaskedResidueOptions = {}) {
    const { seed = 42, maxSeqLength = 1024, cropWindows = "bionemo" } = options;
    const { randomMaskStrategy = "all_tokens", tokenizer = new EsmTokenizer() } = options;
    assertLength("maxSeqLength", maxSeqLength, 1);
    assertName("randomMaskStrategy", randomMaskStrategy, ["all_tokens", "amino_acids_only"]);
    assertName("cropWindows", cropWindows, ["bionemo", "uniform"]);
    NumpyGenerator.fromSeed(seed);
    this.clusters = clusters;
    this.seed = seed;
    this.maxSeqLength = maxSeqLength;
    this.randomMaskStrategy = randomMaskStrategy;
    this.cropWindows = cropWindows;
    this.tokenizer = tokenizer;
    this.maskConfig = new BertMaskConfig({
      specialIds: tokenizer.specialIds,
      maskId: tokenizer.maskId,
      randomTokens: randomMaskStrategy === "all_tokens" ? [0, tokenizer.vocabSize] : AMINO_ACID_IDS,
      ...(options.maskProb === undefined ? {} : { maskProb: options.maskProb }),
      ...(options.maskTokenProb === undefined ? {} : { maskTokenProb: options.maskTokenProb }),
      ...(options.maskRandomProb === undefined ? {} : { randomTokenProb: options.maskRandomProb }),
    });
    this.#masker = new BertMasker(this.maskConfig);
  }

  /** Clusters: the items of an epoch. */
  get length(): number {
    return this.clusters.length;
  }

  /** What the items depend on, but for the proteins themselves. */
  get identity(): string {
    const { maskProb, maskTokenProb, randomTokenProb, randomTokens } = this.maskConfig;
    const mask = [maskProb, maskTokenProb, randomTokenProb, ...randomTokens].join(",");
    return `esm2 items: ${this.length} clusters, seed ${this.seed}, at most ${this.maxSeqLength} tokens, ${this.cropWindows} windows, mask ${mask}`;
  }

  /**
   * One item, in new arrays.
   *
   * @throws InvalidArgumentError for an index that is none, IncompatibleError for a cluster without
   *   members.
   */
  at(index: EpochIndex): BertItem {
    const length = this.#fill(index, 0);
    return {
      text: this.#text.slice(0, length),
      types: new Int32Array(length),
      attentionMask: new Uint8Array(length).fill(1),
      labels: this.#labels.slice(0, length),
      lossMask: this.#lossMask.slice(0, length),
      isRandom: new Uint8Array(length),
    };
  }

  /**
   * The batch that `bertPaddingCollate` makes of these items, without the items: nothing but the
   * batch is allocated. It is the caller's.
   *
   * @throws as {@link at}, and InvalidArgumentError for wrong lengths.
   */
  maskedBatch(indices: readonly EpochIndex[], options: MaskedBatchOptions = {}): BertBatch {
    const ends = new Float64Array(indices.length);
    let end = 0;
    let longest = 0;
    for (let i = 0; i < indices.length; i++) {
      const length = this.#fill(indices[i] as EpochIndex, end);
      longest = Math.max(longest, length);
      end += length;
      ends[i] = end;
    }
    const paddingValue = this.tokenizer.padId;
    const rows = new BertRows(indices.length, longest, { ...options, paddingValue });
    const masked = { text: this.#text, labels: this.#labels, lossMask: this.#lossMask };
    for (let i = 0; i < indices.length; i++) {
      rows.add(masked, i === 0 ? 0 : (ends[i - 1] as number), ends[i] as number);
    }
    return rows.batch;
  }

  /** Makes an item in the memory of the data set, from `begin` on; returns its length. */
  #fill({ epoch, idx }: EpochIndex, begin: number): number {
    const { clusters, maxSeqLength, tokenizer } = this;
    assertIndex("idx", idx, clusters.length);
    assertIndex("epoch", epoch, 2 ** 53);
    const members = clusters.size(idx);
    if (members === 0) {
      throw new IncompatibleError("empty-cluster", `Cluster ${idx} is empty.`, {
        suggestions: ["leave clusters without members out"],
      });
    }
    const rng = NumpyGenerator.fromSeed([this.seed, epoch, idx]);
    const residues = clusters.memberSequence(idx, rng.integer(0, members));
    if (this.#whole.length < residues.length + 2) {
      this.#whole = new Int32Array(2 * residues.length + 2);
    }
    const whole = this.#whole;
    const tokens = tokenizer.encodeInto(residues, whole);
    const from = cropBegin(tokens, maxSeqLength, this.cropWindows, rng);
    const length = Math.min(tokens, maxSeqLength);
    const end = begin + length;
    this.#grow(end);
    this.#text.set(whole.subarray(from, from + length), begin);
    this.#masker.mask(seedFrom(rng), this.#text, this.#labels, this.#lossMask, begin, end);
    return length;
  }

  #grow(length: number): void {
    if (this.#text.length >= length) return;
    const text = new Int32Array(2 * length);
    const labels = new Int32Array(2 * length);
    const lossMask = new Uint8Array(2 * length);
    text.set(this.#text);
    labels.set(this.#labels);
    lossMask.set(this.#lossMask);
    this.#text = text;
    this.#labels = labels;
    this.#lossMask = lossMask;
  }
}

function assertIndex(argument: string, value: number, end: number): void {
  if (Number.isSafeInteger(value) && value >= 0 && value < end) return;
  throw new InvalidArgumentError(
    argument,
    value,
    `${argument} is ${value}, expected an integer of 0 to ${end - 1}`,
  );
}

function assertName(argument: string, value: string, names: readonly string[]): void {
  if (names.includes(value)) return;
  throw new InvalidArgumentError(
    argument,
    value,
    `${argument} is ${JSON.stringify(value)}, expected ${names.join(" or ")}`,
  );
}
