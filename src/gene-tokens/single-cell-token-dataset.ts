import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { GatherBuffers } from "../dataset/gather-buffers.ts";
import type { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import { NumpyGenerator } from "../random/numpy-generator.ts";
import { seedFrom } from "../random/seed-from.ts";
import type { EpochIndex, MultiEpochDataset } from "../sampling/multi-epoch-dataset.ts";
import type { BertItem } from "../tokenize/bert-item.ts";
import { BertMaskConfig, BertMasker } from "../tokenize/bert-mask.ts";
import type { BoundCellTokenizer } from "./bound-cell-tokenizer.ts";
import { CellTokenizer } from "./cell-tokenizer.ts";
import type { GeneMedians } from "./gene-medians.ts";
import { readGeneNames } from "./gene-names.ts";
import type { GeneTokenizer } from "./gene-tokenizer.ts";
import { TokenRows } from "./token-rows.ts";

/** The label of the special tokens around a cell. */
const SPECIAL_LABEL = -1;

export interface SingleCellTokenOptions {
  readonly tokenizer: GeneTokenizer;
  readonly medians: GeneMedians;
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
  /** Default true. */
  readonly prependClsToken?: boolean;
  /** Id of a token to end items with. Default none. */
  readonly eosToken?: number | null;
  /**
   * Fails on a gene without token instead of leaving it out. Default false. (The original's name,
   * which suggests the opposite.)
   */
  readonly includeUnrecognizedVocabInDataset?: boolean;
  /** Var column with Ensembl ids. Default "feature_id". */
  readonly genes?: string;
}

/**
 * Cells of an SCDL data set as masked items for training Geneformer, value for value those of
 * BioNeMo's `SingleCellDataset`: an item is a pure function of (seed, epoch, row). Items are not
 * padded. The data set stays the caller's to close.
 */
export class SingleCellTokenDataset implements MultiEpochDataset<BertItem> {
  readonly length: number;
  readonly identity: string;
  readonly #dataset: SingleCellDataset;
  readonly #bound: readonly BoundCellTokenizer[];
  readonly #seed: number | bigint;
  readonly #clsId: number | null;
  readonly #eosId: number | null;
  readonly #masker: BertMasker;
  readonly #buffers: GatherBuffers;
  readonly #tokens = new TokenRows();

  private constructor(
    dataset: SingleCellDataset,
    genes: readonly (readonly string[])[],
    options: SingleCellTokenOptions,
  ) {
    const { tokenizer, medians, maxLen = 1024, eosToken = null, seed = 42 } = options;
    this.#clsId = options.prependClsToken === false ? null : tokenizer.clsId;
    this.#eosId = eosToken;
    const maxGenes = maxLen - (this.#clsId === null ? 0 : 1) - (eosToken === null ? 0 : 1);
    if (!(Number.isSafeInteger(maxLen) && maxLen >= 1 && maxGenes >= 0)) {
      throw new InvalidArgumentError(
        "maxLen",
        maxLen,
        `max_len must be greater than 1 and hold the special tokens, max_len=${maxLen}`,
      );
    }
    const cells = new CellTokenizer({
      vocabulary: tokenizer.vocabulary,
      medians,
      encoding: "bionemo",
      maxTokens: maxGenes,
      cls: false,
      eos: false,
      missingGenes: options.includeUnrecognizedVocabInDataset === true ? "error" : "skip",
    });
    const mask = new BertMaskConfig({
      specialIds: tokenizer.specialIds,
      maskId: tokenizer.maskId,
      randomTokens: [tokenizer.specialIds.length, tokenizer.vocabSize],
      maskProb: options.maskProb ?? 0.15,
      maskTokenProb: options.maskTokenProb ?? 0.8,
      randomTokenProb: options.randomTokenProb ?? 0.1,
    });
    this.#dataset = dataset;
    this.#bound = genes.map((names) => cells.bind(names, { data: dataset.dtypes.data }));
    this.#seed = seed;
    this.#masker = new BertMasker(mask);
    this.#buffers = dataset.createBuffers();
    this.length = dataset.nObs;
    const { maskProb, maskTokenProb, randomTokenProb } = mask;
    this.identity = JSON.stringify({
      shape: dataset.shape,
      nnz: dataset.nnz,
      vocabulary: tokenizer.vocabSize,
      seed: String(seed),
      maxLen,
      ends: [this.#clsId, eosToken],
      mask: [maskProb, maskTokenProb, randomTokenProb],
    });
  }

  /**
   * @throws NotFoundError "no-such-column" for a data set without Ensembl ids; InvalidArgumentError
   *   for probabilities and lengths out of range.
   */
  static async open(
    dataset: SingleCellDataset,
    options: SingleCellTokenOptions,
  ): Promise<SingleCellTokenDataset> {
    const genes = await readGeneNames(dataset, options.genes ?? "feature_id");
    return new SingleCellTokenDataset(dataset, genes, options);
  }

  /**
   * @throws FormatError "empty-cell" for a row without stored values; NotFoundError for a gene
   *   without token, when asked to, or without median; InvalidArgumentError for a row beyond.
   */
  at({ epoch, idx }: EpochIndex): BertItem {
    const tokens = this.#rank(idx);
    const first = this.#clsId === null ? 0 : 1;
    const length = tokens.length + first + (this.#eosId === null ? 0 : 1);
    const text = new Int32Array(length);
    const labels = new Int32Array(length).fill(SPECIAL_LABEL);
    const lossMask = new Uint8Array(length);
    text.set(tokens, first);
    const rng = NumpyGenerator.fromSeed([this.#seed, epoch, idx]);
    this.#masker.mask(seedFrom(rng), text, labels, lossMask, first, first + tokens.length);
    if (this.#clsId !== null) text[0] = this.#clsId;
    if (this.#eosId !== null) text[length - 1] = this.#eosId;
    return {
      text,
      types: new Int32Array(length),
      attentionMask: new Uint8Array(length).fill(1),
      labels,
      lossMask,
      isRandom: new Uint8Array(length),
    };
  }

  #rank(row: number): Int32Array {
    const dataset = this.#dataset;
    const buffers = this.#buffers;
    dataset.gather([row], buffers);
    const bound = this.#bound[dataset.varBlockAt(row)] as BoundCellTokenizer;
    const tokens = this.#tokens;
    tokens.clear();
    bound.tokenize({ ...bufferArrays(buffers), shape: [1, dataset.nVars] }, tokens, {
      rowBegin: row,
    });
    return tokens.at(0);
  }
}

function bufferArrays({ data, indices, indptr }: GatherBuffers) {
  return { data, indices, indptr };
}
