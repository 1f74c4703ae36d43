/** The medians and the vocabulary that cells are ranked with. */
import { existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  fromFsError,
  InvalidArgumentError,
  NotFoundError,
} from "../../../formats/common/errors.ts";
import { makeDirectories } from "../../../formats/common/make-directories.ts";
import {
  computeGeneMedians,
  saveMedians,
  saveVocabulary,
} from "../../gene-tokens/compute-medians.ts";
import {
  findDictionaries,
  type GeneDictionaries,
  MEDIANS_FILE,
  VOCABULARY_FILE,
  vocabularyIn,
} from "../../gene-tokens/gene-dictionaries.ts";
import type { CellInput } from "./cell-inputs.ts";
import type { PreparationProgress } from "./preparation.ts";
import {
  folderOfWeights,
  otherMedian,
  requireSameDictionaries,
  requireSameVocabulary,
} from "./same-dictionaries.ts";

export interface DictionaryOptions {
  /** A file of medians, or "auto": those of the training cells. Default: `medians.json` beside them. */
  readonly medians?: string | undefined;
  /** BioNeMo's `geneformer.vocab`. Default: that beside medians that were found, else made of them. */
  readonly vocab?: string | undefined;
  /** Var column with Ensembl ids. Default: see `readGeneNames()`. */
  readonly genes?: string | undefined;
  /**
   * Of trained weights: the medians that lie in it come before those of the data, and none are computed,
   * for the model knows its own. Another vocabulary than theirs is refused.
   */
  readonly weights?: string | undefined;
  /** The run's checkpoint to go on from: other medians are refused, too. */
  readonly checkpoint?: string | undefined;
  /** Weights are restored that have no medians of their own: those of these cells would not fit. */
  readonly isRestored?: boolean | undefined;
  /** Hears of medians, named, that the weights were not trained with. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Of what is made of the data. */
  readonly folder: string;
  /** What is there is taken, because a run goes on with it. */
  readonly isResumed: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: PreparationProgress) => void) | undefined;
}

/**
 * Named, or beside the training data as BioNeMo's preprocessing leaves them. Null for "auto".
 * @throws NotFoundError "no-medians" with what to do; as reading them; IncompatibleError for another
 *   vocabulary than that of the weights or of the run
 */
export async function knownDictionaries(
  places: readonly CellInput[],
  options: DictionaryOptions,
): Promise<GeneDictionaries | null> {
  const { medians, weights } = options;
  if (medians === "auto") {
    if (weights === undefined && options.isRestored !== true) return null;
    const message = "medians auto: the model is used with those it was trained with";
    throw new InvalidArgumentError("medians", medians, message, {
      suggestions: ["leave it out where the checkpoint has them, or name their file"],
    });
  }
  const own = weights === undefined ? null : folderOfWeights(weights);
  const known = own === null ? [] : [own];
  const folders = medians === undefined ? [...known, ...foldersOf(places)] : [];
  const isThere = folders.some((path) => existsSync(join(path, MEDIANS_FILE)));
  if (medians === undefined && !isThere) throw noMedians(places, options);
  // Medians that are named leave the weights their ids.
  const vocab = options.vocab ?? (own !== null && medians ? vocabularyIn(own) : null) ?? undefined;
  const found = await findDictionaries(folders, { medians, vocab });
  if (own !== null) requireSameVocabulary(found, own);
  if (options.checkpoint !== undefined) await requireSameDictionaries(found, options.checkpoint);
  const other = own === null ? null : await otherMedian(found, own);
  if (other !== null) options.onWarning?.(`${other}: the weights were trained with other medians`);
  return found;
}

/** In a data set, and beside it. */
function foldersOf(places: readonly CellInput[]): string[] {
  const folders = places.flatMap(({ kind, path }) => {
    const isFile = kind === "h5ad" || /\.tar$/i.test(path);
    return isFile ? [dirname(path)] : [path, dirname(path)];
  });
  return [...new Set(folders)];
}

/**
 * Those of the training cells, which are kept in `folder`.
 * @throws InvalidArgumentError for cells in shards; as `computeGeneMedians`; IncompatibleError for
 *   others than those of the run
 */
export async function computeDictionaries(
  stored: readonly CellInput[],
  options: DictionaryOptions,
): Promise<GeneDictionaries> {
  const made = await keptDictionaries(stored, options);
  if (options.checkpoint !== undefined) await requireSameDictionaries(made, options.checkpoint);
  return made;
}

async function keptDictionaries(
  stored: readonly CellInput[],
  options: DictionaryOptions,
): Promise<GeneDictionaries> {
  const { folder, isResumed, genes, vocab, signal, onProgress } = options;
  const file = join(folder, MEDIANS_FILE);
  if (isResumed && existsSync(file)) return findDictionaries([folder], { vocab });
  const others = stored.filter(({ kind }) => kind !== "scdl");
  if (others.length > 0) {
    const message = `medians are computed of SCDL data sets and h5ad files, not of ${others[0]?.path}`;
    throw new InvalidArgumentError("medians", "auto", message, {
      suggestions: ["compute them where the cells came from: scdl medians CELLS --output FILE"],
    });
  }
  const paths = stored.map(({ path }) => path);
  const { medians } = await computeGeneMedians(paths, {
    ...(genes === undefined ? {} : { genes }),
    ...(signal === undefined ? {} : { signal }),
    allowRepeats: true, // as often as they are trained on
    onProgress: ({ rows: done, totalRows: total }) =>
      onProgress?.({ label: "medians", done, total }),
  });
  try {
    makeDirectories(folder);
    rmSync(join(folder, VOCABULARY_FILE), { force: true });
  } catch (error) {
    throw fromFsError(error, folder);
  }
  saveMedians(file, medians, { overwrite: true });
  saveVocabulary(join(folder, VOCABULARY_FILE), medians, null, { overwrite: true });
  return findDictionaries([folder], { vocab });
}

function noMedians(
  places: readonly CellInput[],
  { weights, isRestored }: DictionaryOptions,
): NotFoundError {
  if (weights !== undefined || isRestored === true) {
    const what = join(weights ?? dirname(places[0]?.path ?? ""), MEDIANS_FILE);
    return new NotFoundError("no-medians", `there are no medians of genes: ${what}`, {
      what,
      suggestions: ["name the medians that the model was trained with: --medians"],
    });
  }
  const [first] = places;
  const path = first?.path ?? "";
  const place = first?.kind === "scdl" ? path : dirname(path);
  const output = join(place, MEDIANS_FILE);
  return new NotFoundError("no-medians", `there are no medians of genes: ${output}`, {
    what: output,
    suggestions: [
      "compute those of the training cells: --medians auto",
      `scdl medians ${path} --output ${output} --vocab ${join(place, VOCABULARY_FILE)}`,
      "name a file of medians with --medians, e.g. those the weights were trained with",
    ],
  });
}
