/** Cells to train on, from the places that a command line names. */
import { join } from "node:path";
import { FormatError } from "../../../formats/common/errors.ts";
import type { TokenModel } from "../../../formats/tokens/layout.ts";
import {
  encodeVocabularyRecord,
  VOCABULARY_RECORD,
} from "../../../formats/tokens/vocabulary-record.ts";
import { SingleCellDataset } from "../../dataset/single-cell-dataset.ts";
import type { CellTokenizer } from "../../gene-tokens/cell-tokenizer.ts";
import { dictionaryFiles, type GeneDictionaries } from "../../gene-tokens/gene-dictionaries.ts";
import {
  type CellEnds,
  type CellVocabulary,
  genesOfLength,
} from "../../gene-tokens/masked-cells.ts";
import {
  ChosenCells,
  joinCells,
  type RankedCells,
  RankedDataset,
} from "../../gene-tokens/ranked-cells.ts";
import { ShardCells } from "../../gene-tokens/shard-cells.ts";
import { bionemoRanks } from "../../gene-tokens/single-cell-token-dataset.ts";
import { modelOfVocabulary, vocabularyOfTokens } from "../../gene-tokens/token-cells.ts";
import { type CellInput, cellInputs } from "./cell-inputs.ts";
import { convertedCells } from "./converted-cells.ts";
import {
  computeDictionaries,
  type DictionaryOptions,
  knownDictionaries,
} from "./gene-dictionaries.ts";
import { assertShare, holdOut } from "./hold-out.ts";
import { folderOfWeights, requireTokensOfWeights } from "./same-dictionaries.ts";
import { isTokens, openTokens, tokenModel } from "./token-inputs.ts";
import { requireVocabularyOfWeights, type WeightsOfCells } from "./weights-vocabulary.ts";

export interface OpenCellsOptions extends DictionaryOptions {
  readonly validData?: readonly string[] | undefined;
  /** Share of the cells held out for validation without `validData`. Default 0. */
  readonly validShare?: number | undefined;
  /** Chooses those held out. */
  readonly seed: number;
  /** Length of a row, special tokens included. */
  readonly seqLength: number;
  /** What the cells are run through, unless its embedding is new: the vocabulary must be its own. */
  readonly restored?: WeightsOfCells | undefined;
  /** A gene without token is an error, not left out. */
  readonly includeUnrecognizedVocabInDataset?: boolean | undefined;
  /** For h5ad files: `raw` (default), `X` or `layers/NAME`. */
  readonly matrix?: string | undefined;
}

/** Close them (or `using`): data sets have open files. */
export interface OpenedCells extends Disposable {
  readonly train: RankedCells;
  readonly valid: RankedCells | null;
  readonly vocabulary: CellVocabulary;
  readonly ends: CellEnds;
  /** Medians and vocabulary as files, by name; of tokens alone the record of their vocabulary. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/**
 * Opens SCDL data sets, h5ad and 10x files (which are converted into `folder` first), tokens of
 * `scdl tokenize-cells`, shards of cells or tokens, or folders of such, as one sequence of cells. The
 * same cells give the same batches in all of them.
 */
export async function openCellData(
  data: readonly string[],
  options: OpenCellsOptions,
): Promise<OpenedCells> {
  const { validShare = 0, validData, folder } = options;
  assertShare(validShare);
  const train = cellInputs(data);
  const valid = validData === undefined ? [] : cellInputs(validData);
  // Before a conversion, which can take long.
  const isRanked = ![...train, ...valid].every(isTokens);
  const found = isRanked ? await knownDictionaries(train, options) : null;
  if (found !== null)
    await requireOfWeights(modelOfVocabulary(found.tokenizer.vocabulary), options);
  const stored = {
    train: await converted(train, join(folder, "train.scdl"), options),
    valid: await converted(valid, join(folder, "valid.scdl"), options),
  };
  const reader = await readerOf(stored, found, options);
  const opened: RankedCells[] = [];
  const close = () => {
    for (const cells of opened) cells[Symbol.dispose]();
  };
  const openAll = async (inputs: readonly CellInput[], path: string) => {
    const parts: RankedCells[] = [];
    for (const input of inputs) {
      const cells = await reader.open(input);
      opened.push(cells);
      parts.push(cells);
    }
    return joinCells(parts, path);
  };
  try {
    const cells = await openAll(stored.train, data.join(", "));
    const { vocabulary, ends, files } = reader;
    const parts = { vocabulary, ends, files, [Symbol.dispose]: close };
    if (validData !== undefined) {
      return { ...parts, train: cells, valid: await openAll(stored.valid, validData.join(", ")) };
    }
    if (validShare === 0) return { ...parts, train: cells, valid: null };
    const [kept, heldOut] = holdOut(cells.length, validShare, options.seed);
    return {
      ...parts,
      train: new ChosenCells(cells, kept),
      valid: new ChosenCells(cells, heldOut),
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** @throws IncompatibleError for cells of another vocabulary than the weights' */
async function requireOfWeights(
  model: TokenModel,
  { restored, onWarning }: OpenCellsOptions,
): Promise<void> {
  if (restored !== undefined) await requireVocabularyOfWeights(restored, model, onWarning);
}

/** The inputs with the h5ad files among them, which follow one another, as data sets. */
async function converted(
  inputs: readonly CellInput[],
  target: string,
  options: OpenCellsOptions,
): Promise<CellInput[]> {
  const { matrix, isResumed, signal, onProgress } = options;
  const found: CellInput[] = [];
  let count = 0;
  for (let at = 0; at < inputs.length; ) {
    const input = inputs[at] as CellInput; // proof: at is below the length
    if (input.kind !== "h5ad") {
      found.push(input);
      at++;
      continue;
    }
    const rest = inputs.slice(at);
    const end = rest.findIndex(({ kind }) => kind !== "h5ad");
    const files = rest.slice(0, end < 0 ? rest.length : end).map(({ path }) => path);
    const name = count === 0 ? target : target.replace(/\.scdl$/, `-${count}.scdl`);
    count++;
    const path = await convertedCells(files, name, {
      ...{ matrix, isResumed, signal },
      onProgress: ({ rows: done, totalRows: total }) =>
        total > 0 ? onProgress?.({ label: "converting", done, total }) : undefined,
    });
    found.push({ kind: "scdl", path });
    at += files.length;
  }
  return found;
}

/** How cells of any kind are opened for one vocabulary. */
interface CellReader {
  readonly vocabulary: CellVocabulary;
  readonly ends: CellEnds;
  readonly files: ReadonlyMap<string, Uint8Array>;
  open(input: CellInput): Promise<RankedCells>;
}

async function readerOf(
  stored: Readonly<Record<"train" | "valid", readonly CellInput[]>>,
  found: GeneDictionaries | null,
  options: OpenCellsOptions,
): Promise<CellReader> {
  const { signal, genes, seqLength, vocab } = options;
  const all = [...stored.train, ...stored.valid];
  const first = all.find(isTokens);
  if (first !== undefined && all.every(isTokens)) {
    const model = await tokenModel(first, vocab);
    const { clsId, eosId, vocabularySha256 } = model;
    genesOfLength(seqLength, model);
    const { weights } = options;
    if (weights !== undefined) {
      requireTokensOfWeights(first.path, model, folderOfWeights(weights));
    }
    await requireOfWeights(model, options);
    for (const name of ["medians", "genes", "matrix"] as const) {
      if (options[name] === undefined) continue;
      options.onWarning?.(`--${name} has no effect: the cells are tokens already`);
    }
    return {
      vocabulary: vocabularyOfTokens(model, first.path),
      ends: { clsId, eosId },
      files: new Map([[VOCABULARY_RECORD, encodeVocabularyRecord(model)]]),
      open: (input) => openTokens(input, { vocabularySha256, vocab, signal }),
    };
  }
  const dictionaries = found ?? (await computeDictionaries(stored.train, options));
  const { tokenizer } = dictionaries;
  const ends = { clsId: tokenizer.clsId, eosId: null };
  const includeUnrecognizedVocabInDataset = options.includeUnrecognizedVocabInDataset === true;
  const ranks = bionemoRanks(
    { ...dictionaries, includeUnrecognizedVocabInDataset },
    genesOfLength(seqLength, ends),
  );
  const model = modelOfVocabulary(tokenizer.vocabulary);
  const tokens = { vocabularySha256: model.vocabularySha256, vocab, signal };
  const record = [VOCABULARY_RECORD, encodeVocabularyRecord(model)] as const;
  const open = async (input: CellInput): Promise<RankedCells> => {
    if (isTokens(input)) return openTokens(input, tokens);
    if (input.kind === "cell-shards") return ShardCells.open(input.path, ranks, { genes, signal });
    return openDataset(input.path, ranks, genes);
  };
  return {
    vocabulary: tokenizer,
    ends,
    files: new Map([...dictionaryFiles(dictionaries), record]),
    open,
  };
}

async function openDataset(
  path: string,
  ranks: CellTokenizer,
  genes: string | undefined,
): Promise<RankedCells> {
  const dataset = await SingleCellDataset.open(path);
  try {
    assertNoEmptyCell(dataset);
    const cells = await RankedDataset.open(dataset, ranks, genes);
    cells.assertKnown();
    return cells;
  } catch (error) {
    dataset.close();
    throw error;
  }
}

/** Such a cell would end the run at the step that draws it. Looks at row pointers only. */
function assertNoEmptyCell(dataset: SingleCellDataset): void {
  const row = [0];
  let [first, count] = [-1, 0];
  for (let cell = 0; cell < dataset.nObs; cell++) {
    row[0] = cell;
    if (dataset.gatherCapacity(row).nnz > 0) continue;
    if (count === 0) first = cell;
    count++;
  }
  if (count === 0) return;
  const message = `${count} of ${dataset.nObs} cells have no counts, the first is cell ${first}`;
  throw new FormatError("empty-cell", message, {
    path: dataset.directory,
    suggestions: [
      "leave them out: sc.pp.filter_cells(adata, min_counts=1)",
      "scdl tokenize-cells --empty-cells skip, and train on the tokens",
    ],
  });
}
