/** Weights know genes by their ids: the vocabulary they are used with must be their own. */
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { IncompatibleError } from "../../../formats/common/errors.ts";
import {
  type GeneDictionaries,
  MEDIANS_FILE,
  vocabularyIn,
} from "../../gene-tokens/gene-dictionaries.ts";
import { readGeneMedians } from "../../gene-tokens/gene-medians.ts";
import { GeneTokenizer } from "../../gene-tokens/gene-tokenizer.ts";
import { vocabularySha256 } from "../../gene-tokens/token-cells.ts";

/** The folder that the dictionaries of weights lie in: theirs, also of a single file. */
export function folderOfWeights(weights: string): string {
  const isFile = statSync(weights, { throwIfNoEntry: false })?.isFile() === true;
  return isFile ? dirname(weights) : weights;
}

/**
 * Compares with the vocabulary of a checkpoint; one without, as transformers writes, has nothing to
 * compare.
 * @throws IncompatibleError "vocabulary" naming the first gene that differs; FormatError
 */
export function requireSameVocabulary({ tokenizer }: GeneDictionaries, checkpoint: string): void {
  const path = vocabularyIn(checkpoint);
  if (path === null) return;
  const trained = GeneTokenizer.fromVocabFile(path);
  const difference = firstDifference(trained.vocab, tokenizer.vocab);
  if (difference === null) return;
  const [token, was, is] = difference;
  const words = (id: number | undefined) => (id === undefined ? "none" : `token ${id}`);
  throw new IncompatibleError(
    "vocabulary",
    `${path}: ${token} is ${words(was)} of the checkpoint, ${words(is)} of the vocabulary given`,
    { suggestions: waysOut(path) },
  );
}

/** Tokens of {@link requireSameVocabulary}, by the checksum in their header. */
export function requireTokensOfWeights(
  path: string,
  { vocabularySha256: sha256 }: { readonly vocabularySha256: string },
  checkpoint: string,
): void {
  const own = vocabularyIn(checkpoint);
  if (own === null) return;
  if (vocabularySha256(GeneTokenizer.fromVocabFile(own).vocabulary) === sha256) return;
  throw new IncompatibleError(
    "vocabulary",
    `${path}: the tokens are of another vocabulary than the checkpoint's, ${own}`,
    { suggestions: [`tokenize the cells with it: scdl tokenize-cells --vocab ${own}`] },
  );
}

/**
 * The first gene whose median differs from that of a checkpoint, in words; null for none, and for a
 * checkpoint without medians.
 * @throws FormatError
 */
export async function otherMedian(
  { medians }: GeneDictionaries,
  checkpoint: string,
): Promise<string | null> {
  const path = join(checkpoint, MEDIANS_FILE);
  if (!existsSync(path)) return null;
  const difference = firstDifference(await readGeneMedians(path), medians);
  if (difference === null) return null;
  const [gene, was, is] = difference;
  return `${path}: the median of ${gene} is ${was ?? "none"} in the checkpoint, ${is ?? "none"} here`;
}

/** @throws IncompatibleError "vocabulary", or "medians": a run goes on with its own cells */
export async function requireSameDictionaries(
  found: GeneDictionaries,
  checkpoint: string,
): Promise<void> {
  requireSameVocabulary(found, checkpoint);
  const other = await otherMedian(found, checkpoint);
  if (other === null) return;
  throw new IncompatibleError("medians", other, {
    suggestions: [
      "name the medians that the run began with: --medians",
      "begin another run: --experiment-name, with --restore-from-checkpoint-path",
    ],
  });
}

function waysOut(path: string): string[] {
  return [
    "leave --vocab and --medians out where weights are restored: the checkpoint has its own",
    `name the checkpoint's: --vocab ${path}`,
  ];
}

/** The first key with two values, else the first that only one of the two has. */
function firstDifference(
  was: ReadonlyMap<string, number>,
  is: ReadonlyMap<string, number>,
): [key: string, was: number | undefined, is: number | undefined] | null {
  for (const [key, value] of was) {
    const other = is.get(key);
    if (other !== undefined && !Object.is(other, value)) return [key, value, other];
  }
  for (const [key, value] of was) if (!is.has(key)) return [key, value, undefined];
  for (const [key, value] of is) if (!was.has(key)) return [key, undefined, value];
  return null;
}
