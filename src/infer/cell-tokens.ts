import { IncompatibleError } from "../../formats/common/errors.ts";
import { MaskedCells } from "../gene-tokens/masked-cells.ts";
import { type OpenCellsOptions, openCellData } from "../train/data/cell-data.ts";
import type { TokenSource } from "./token-source.ts";

export interface OpenCellTokensOptions
  extends Pick<
    OpenCellsOptions,
    | "medians"
    | "vocab"
    | "genes"
    | "matrix"
    | "includeUnrecognizedVocabInDataset"
    | "weights"
    | "restored"
    | "folder"
    | "signal"
    | "onProgress"
    | "onWarning"
  > {
  /** Most tokens of a cell. */
  readonly maxLength: number;
  /** Tokens of the model. */
  readonly vocabSize: number;
}

/**
 * Opens cells as training does, unmasked: SCDL data sets, h5ad files, which are converted into `folder`,
 * tokens and shards, one after another.
 * @throws NotFoundError, FormatError, IncompatibleError for more tokens than the model has
 */
export async function openCellTokens(
  paths: readonly string[],
  options: OpenCellTokensOptions,
): Promise<TokenSource> {
  const { maxLength, vocabSize, ...places } = options;
  const opened = await openCellData(paths, {
    ...places,
    seed: 0,
    seqLength: maxLength,
    isResumed: false,
  });
  try {
    const { train: cells, vocabulary, ends } = opened;
    if (vocabulary.vocabSize > vocabSize) {
      throw new IncompatibleError(
        "vocabulary",
        `${paths.join(", ")}: the model has ${vocabSize} tokens, the vocabulary ${vocabulary.vocabSize}`,
        { suggestions: ["name the vocabulary that the weights were trained with: --vocab"] },
      );
    }
    const items = new MaskedCells(cells, vocabulary, { ...ends, maxLen: maxLength, maskProb: 0 });
    const around = (ends.clsId === null ? 0 : 1) + (ends.eosId === null ? 0 : 1);
    const names = await cells.names();
    return {
      length: cells.length,
      id: (row) => names?.(row) ?? String(row),
      // Genes without a token are left out later.
      mostTokens: (row) => Math.min(cells.mostGenes(row) + around, maxLength),
      tokens: (row) => items.at({ epoch: 0, idx: row }).text,
      [Symbol.dispose]: () => opened[Symbol.dispose](),
    };
  } catch (error) {
    opened[Symbol.dispose]();
    throw error;
  }
}
