import type { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import type { EpochIndex, MultiEpochDataset } from "../sampling/multi-epoch-dataset.ts";
import type { BertItem } from "../tokenize/bert-item.ts";
import { CellTokenizer } from "./cell-tokenizer.ts";
import type { GeneMedians } from "./gene-medians.ts";
import type { GeneTokenizer } from "./gene-tokenizer.ts";
import { type CellEnds, type CellMaskOptions, genesOfLength, MaskedCells } from "./masked-cells.ts";
import { RankedDataset } from "./ranked-cells.ts";

export interface SingleCellTokenOptions extends CellMaskOptions {
  readonly tokenizer: GeneTokenizer;
  readonly medians: GeneMedians;
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
  readonly #items: MaskedCells;

  private constructor(items: MaskedCells) {
    this.#items = items;
    this.length = items.length;
    this.identity = items.identity;
  }

  /**
   * @throws NotFoundError "no-such-column" for a data set without Ensembl ids; InvalidArgumentError
   *   for probabilities and lengths out of range.
   */
  static async open(
    dataset: SingleCellDataset,
    options: SingleCellTokenOptions,
  ): Promise<SingleCellTokenDataset> {
    const { tokenizer, genes = "feature_id", maxLen = 1024, eosToken: eosId = null } = options;
    const ends: CellEnds = {
      clsId: options.prependClsToken === false ? null : tokenizer.clsId,
      eosId,
    };
    const ranks = bionemoRanks(options, genesOfLength(maxLen, ends));
    const cells = await RankedDataset.open(dataset, ranks, genes);
    return new SingleCellTokenDataset(new MaskedCells(cells, tokenizer, { ...options, ...ends }));
  }

  /**
   * @throws FormatError "empty-cell" for a row without stored values; NotFoundError for a gene
   *   without token, when asked to, or without median; InvalidArgumentError for a row beyond.
   */
  at(index: EpochIndex): BertItem {
    return this.#items.at(index);
  }
}

/** Ranks of BioNeMo's training, without special tokens around them. */
export function bionemoRanks(
  options: Pick<
    SingleCellTokenOptions,
    "tokenizer" | "medians" | "includeUnrecognizedVocabInDataset"
  >,
  maxGenes: number,
): CellTokenizer {
  return new CellTokenizer({
    vocabulary: options.tokenizer.vocabulary,
    medians: options.medians,
    encoding: "bionemo",
    maxTokens: maxGenes,
    cls: false,
    eos: false,
    missingGenes: options.includeUnrecognizedVocabInDataset === true ? "error" : "skip",
  });
}
