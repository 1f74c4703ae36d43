/** The medians and the vocabulary that cells are ranked with, as files. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { NotFoundError } from "../../formats/common/errors.ts";
import { encodeGeneMedians, type GeneMedians, readGeneMedians } from "./gene-medians.ts";
import { GeneTokenizer } from "./gene-tokenizer.ts";

export const MEDIANS_FILE = "medians.json";
export const VOCABULARY_FILE = "geneformer.vocab";

/** What turns cells into Geneformer's tokens. */
export interface GeneDictionaries {
  readonly tokenizer: GeneTokenizer;
  readonly medians: GeneMedians;
}

/** Without a vocabulary one is made of the medians. @throws NotFoundError, FormatError */
export async function loadDictionaries(
  mediansPath: string,
  vocabPath: string | null,
): Promise<GeneDictionaries> {
  const medians = await readGeneMedians(mediansPath);
  if (vocabPath === null) return { tokenizer: GeneTokenizer.fromMediansAndGenes(medians), medians };
  return { tokenizer: GeneTokenizer.fromVocabFile(vocabPath), medians };
}

/** The folder's vocabulary, or null. */
export function vocabularyIn(folder: string): string | null {
  const path = join(folder, VOCABULARY_FILE);
  return existsSync(path) ? path : null;
}

/** A file of medians, and a vocabulary, in place of those found. */
export interface NamedDictionaries {
  readonly medians?: string | undefined;
  readonly vocab?: string | undefined;
}

/**
 * Those named, or of the first folder that has medians: a checkpoint, or the data.
 * @throws NotFoundError "no-medians", FormatError
 */
export async function findDictionaries(
  folders: readonly string[],
  { medians, vocab }: NamedDictionaries,
): Promise<GeneDictionaries> {
  const folder = folders.find((path) => existsSync(join(path, MEDIANS_FILE)));
  const path = medians ?? (folder === undefined ? undefined : join(folder, MEDIANS_FILE));
  if (path === undefined) {
    const what = join(folders[0] ?? "", MEDIANS_FILE);
    throw new NotFoundError("no-medians", `there are no medians of genes: ${what}`, {
      what,
      suggestions: ["name the medians that the model was trained with: --medians"],
    });
  }
  const beside = medians === undefined && folder !== undefined ? vocabularyIn(folder) : null;
  return loadDictionaries(path, vocab ?? beside);
}

/** The files of a folder that {@link findDictionaries} reads, by name. */
export function dictionaryFiles({
  tokenizer,
  medians,
}: GeneDictionaries): ReadonlyMap<string, Uint8Array> {
  return new Map([
    [MEDIANS_FILE, encodeGeneMedians(medians)],
    [VOCABULARY_FILE, tokenizer.encodeVocab()],
  ]);
}
