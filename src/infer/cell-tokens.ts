import { existsSync } from "node:fs";
import { join } from "node:path";
import { IncompatibleError } from "../../formats/common/errors.ts";
import { TOKEN_HEADER } from "../../formats/tokens/layout.ts";
import { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import type { GeneDictionaries } from "../gene-tokens/gene-dictionaries.ts";
import { genesOfLength } from "../gene-tokens/masked-cells.ts";
import { RankedDataset } from "../gene-tokens/ranked-cells.ts";
import { bionemoRanks } from "../gene-tokens/single-cell-token-dataset.ts";
import { TokenDataset } from "../gene-tokens/token-dataset.ts";
import type { TokenSource } from "./token-source.ts";

/** Obs column with the names of cells. */
const NAMES = "obs_feature_id";

export interface OpenCellsOptions {
  /** Most tokens of a cell. */
  readonly maxLength: number;
  /** Tokens of the model. */
  readonly vocabSize: number;
  /** Var column with Ensembl ids. */
  readonly genes?: string | undefined;
  /** A gene without token is an error, not left out. */
  readonly includeUnrecognizedVocabInDataset?: boolean | undefined;
  /** Of cells that are not tokens yet. */
  readonly dictionaries: () => Promise<GeneDictionaries>;
}

/**
 * Opens an SCDL data set, whose cells become ranked genes when they are asked for, or a folder of
 * `scdl tokenize-cells`. Nothing is masked.
 * @throws NotFoundError, FormatError, IncompatibleError for more tokens than the model has
 */
export async function openCellTokens(
  path: string,
  options: OpenCellsOptions,
): Promise<TokenSource> {
  return existsSync(join(path, TOKEN_HEADER)) ? tokenised(path, options) : ranked(path, options);
}

function tokenised(path: string, { maxLength, vocabSize }: OpenCellsOptions): TokenSource {
  const cells = TokenDataset.open(path);
  try {
    requireRoom(path, cells.header.model.vocabularySize, vocabSize);
  } catch (error) {
    cells.close();
    throw error;
  }
  return {
    length: cells.length,
    id: (row) => String(cells.at({ epoch: 0, idx: row }).row),
    mostTokens: (row) => Math.min(cells.lengthOf(row), maxLength),
    tokens: (row) => cells.at({ epoch: 0, idx: row }).inputIds.slice(0, maxLength),
    [Symbol.dispose]: () => cells.close(),
  };
}

async function ranked(path: string, options: OpenCellsOptions): Promise<TokenSource> {
  const { maxLength, genes, includeUnrecognizedVocabInDataset = false } = options;
  const dataset = await SingleCellDataset.open(path);
  try {
    const dictionaries = await options.dictionaries();
    const { clsId, vocabSize } = dictionaries.tokenizer;
    requireRoom(path, vocabSize, options.vocabSize);
    const maxGenes = genesOfLength(maxLength, { clsId, eosId: null });
    const ranks = bionemoRanks({ ...dictionaries, includeUnrecognizedVocabInDataset }, maxGenes);
    const cells = await RankedDataset.open(dataset, ranks, genes);
    cells.assertKnown();
    const names = await namesOf(dataset);
    return {
      length: cells.length,
      id: (row) => names?.(row) ?? String(row),
      // Genes without a token are left out later.
      mostTokens: (row) => Math.min(dataset.gatherCapacity([row]).nnz + 1, maxLength),
      tokens: (row) => Int32Array.of(clsId, ...cells.ranked(row)),
      [Symbol.dispose]: () => dataset.close(),
    };
  } catch (error) {
    dataset.close();
    throw error;
  }
}

function requireRoom(path: string, found: number, vocabSize: number): void {
  if (found <= vocabSize) return;
  throw new IncompatibleError(
    "vocabulary",
    `${path}: the model has ${vocabSize} tokens, the vocabulary ${found}`,
    { suggestions: ["name the vocabulary that the weights were trained with: --vocab"] },
  );
}

async function namesOf(dataset: SingleCellDataset) {
  const columns = await dataset.obsColumns();
  if (!columns.some(({ name }) => name === NAMES)) return null;
  const column = await dataset.obsColumn(NAMES);
  return (row: number) => String(column.at(row));
}
