import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { NumpyGenerator } from "../random/numpy-generator.ts";
import { seedFrom } from "../random/seed-from.ts";
import type { EpochIndex, MultiEpochDataset } from "../sampling/multi-epoch-dataset.ts";
import type { BertItem } from "../tokenize/bert-item.ts";
import { BertMaskConfig, BertMasker } from "../tokenize/bert-mask.ts";
import type { RankedCells } from "./ranked-cells.ts";

/** The label of the special tokens around a cell. */
const SPECIAL_LABEL = -1;

/** What masking must know of a vocabulary: special tokens have the first ids, genes the others. */
export interface CellVocabulary {
  /** Tokens, special ones included. */
  readonly vocabSize: number;
  readonly padId: number;
  readonly maskId: number;
  readonly specialIds: readonly number[];
}

export interface CellMaskOptions {
  /** With epoch and row it decides the masks; not negative. Default 42. */
  readonly seed?: number | bigint;
  /** Longest item, special tokens included. Default 1024. */
  readonly maxLen?: number;
  /** Share of the tokens that the loss counts. Default 0.15. */
  readonly maskProb?: number;
  /** Share of those replaced by [MASK]. Default 0.8. */
  readonly maskTokenProb?: number;
  /** Share of those replaced by a random gene. Default 0.1; BioNeMo trains with 0.02. */
  readonly randomTokenProb?: number;
}

/** Ids put around every cell; null for none. */
export interface CellEnds {
  readonly clsId: number | null;
  readonly eosId: number | null;
}

/** Genes that fit into an item. @throws InvalidArgumentError for a length without room */
export function genesOfLength(maxLen: number, { clsId, eosId }: CellEnds): number {
  const maxGenes = maxLen - (clsId === null ? 0 : 1) - (eosId === null ? 0 : 1);
  if (Number.isSafeInteger(maxLen) && maxLen >= 1 && maxGenes >= 0) return maxGenes;
  throw new InvalidArgumentError(
    "maxLen",
    maxLen,
    `max_len must be greater than 1 and hold the special tokens, max_len=${maxLen}`,
  );
}

/**
 * Ranked cells as masked items for training Geneformer: an item is a pure function of (seed, epoch,
 * row), value for value that of BioNeMo's `SingleCellDataset`. Items are not padded.
 */
export class MaskedCells implements MultiEpochDataset<BertItem> {
  readonly length: number;
  readonly identity: string;
  readonly #cells: RankedCells;
  readonly #seed: number | bigint;
  readonly #ends: CellEnds;
  readonly #maxGenes: number;
  readonly #masker: BertMasker;

  /** The cells stay the caller's. @throws InvalidArgumentError for probabilities out of range */
  constructor(cells: RankedCells, vocabulary: CellVocabulary, options: CellMaskOptions & CellEnds) {
    const { maxLen = 1024, seed = 42, clsId, eosId } = options;
    this.#maxGenes = genesOfLength(maxLen, options);
    const mask = new BertMaskConfig({
      specialIds: vocabulary.specialIds,
      maskId: vocabulary.maskId,
      randomTokens: [vocabulary.specialIds.length, vocabulary.vocabSize],
      maskProb: options.maskProb ?? 0.15,
      maskTokenProb: options.maskTokenProb ?? 0.8,
      randomTokenProb: options.randomTokenProb ?? 0.1,
    });
    this.#cells = cells;
    this.#seed = seed;
    this.#ends = { clsId, eosId };
    this.#masker = new BertMasker(mask);
    this.length = cells.length;
    const { maskProb, maskTokenProb, randomTokenProb } = mask;
    this.identity = JSON.stringify({
      ...cells.identity,
      vocabulary: vocabulary.vocabSize,
      seed: String(seed),
      maxLen,
      ends: [clsId, eosId],
      mask: [maskProb, maskTokenProb, randomTokenProb],
    });
  }

  /** @throws as `RankedCells.ranked` */
  at({ epoch, idx }: EpochIndex): BertItem {
    const ranked = this.#cells.ranked(idx);
    const tokens = ranked.length > this.#maxGenes ? ranked.subarray(0, this.#maxGenes) : ranked;
    const { clsId, eosId } = this.#ends;
    const first = clsId === null ? 0 : 1;
    const length = tokens.length + first + (eosId === null ? 0 : 1);
    const text = new Int32Array(length);
    const labels = new Int32Array(length).fill(SPECIAL_LABEL);
    const lossMask = new Uint8Array(length);
    text.set(tokens, first);
    const rng = NumpyGenerator.fromSeed([this.#seed, epoch, idx]);
    this.#masker.mask(seedFrom(rng), text, labels, lossMask, first, first + tokens.length);
    if (clsId !== null) text[0] = clsId;
    if (eosId !== null) text[length - 1] = eosId;
    return {
      text,
      types: new Int32Array(length),
      attentionMask: new Uint8Array(length).fill(1),
      labels,
      lossMask,
      isRandom: new Uint8Array(length),
    };
  }
}
