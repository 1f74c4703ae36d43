/** Whether weights and tokens are of one vocabulary, as far as the weights' folder says. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromFsError, IncompatibleError } from "../../../formats/common/errors.ts";
import type { TokenModel } from "../../../formats/tokens/layout.ts";
import {
  decodeVocabularyRecord,
  VOCABULARY_RECORD,
} from "../../../formats/tokens/vocabulary-record.ts";
import { GeneVocabulary } from "../../gene-tokens/gene-vocabulary.ts";
import { modelOfVocabulary } from "../../gene-tokens/token-cells.ts";
import type { GeneformerConfig } from "../../models/geneformer/config.ts";
import { folderOfWeights } from "./same-dictionaries.ts";

/** Weights that cells are run through, and what their `config.json` says. */
export interface WeightsOfCells {
  /** Their folder, or a file in it. */
  readonly path: string;
  readonly settings: Pick<GeneformerConfig, "layout" | "padId" | "vocabSize">;
}

/** As Geneformer's authors call their vocabularies. */
const DICTIONARY = /^token_dictionary.*\.(pkl|pickle|json)$/;
/** Embeddings have a multiple of one of these many rows. */
const ROWS_STEPS = [1, 8, 64, 128];

/**
 * Compares the vocabulary in use with that of weights: with the record or the dictionary that lies
 * beside them; without one with the pad id and the number of tokens of their `config.json`.
 *
 * @param onWarning hears of what is no proof: a number of tokens that does not fit
 * @throws IncompatibleError "vocabulary" naming both; FormatError for a record that is damaged
 */
export async function requireVocabularyOfWeights(
  { path, settings }: WeightsOfCells,
  used: TokenModel,
  onWarning?: (message: string) => void,
): Promise<void> {
  const folder = folderOfWeights(path);
  const known = await vocabularyBeside(folder);
  if (known !== null) {
    if (known.model.vocabularySha256 === used.vocabularySha256) return;
    const message = `${known.path}: the weights are of ${named(known.model)}, the cells of ${named(used)}`;
    throw new IncompatibleError("vocabulary", message, { suggestions: waysOut(known.model.name) });
  }
  const { layout, padId, vocabSize } = settings;
  const config = join(folder, "config.json");
  if (padId !== used.padId) {
    const message = `${config}: the weights pad with token ${padId} and have ${vocabSize} tokens, the cells are of ${named(used)}`;
    // Nothing pads by it in BioNeMo's layout: a model that was written by itself may have any.
    if (layout === "bionemo") onWarning?.(`${message}: is it the vocabulary of the weights?`);
    else throw new IncompatibleError("vocabulary", message, { suggestions: waysOut(null) });
    return;
  }
  const { vocabularySize: size } = used;
  if (size > vocabSize || ROWS_STEPS.some((step) => Math.ceil(size / step) * step === vocabSize)) {
    return;
  }
  onWarning?.(
    `${config}: the weights have ${vocabSize} tokens, the cells are of ${named(used)}: is it the vocabulary of the weights?`,
  );
}

async function vocabularyBeside(
  folder: string,
): Promise<{ readonly path: string; readonly model: TokenModel } | null> {
  const record = join(folder, VOCABULARY_RECORD);
  try {
    if (existsSync(record)) {
      return { path: record, model: decodeVocabularyRecord(readFileSync(record, "utf8"), record) };
    }
    const names = existsSync(folder)
      ? readdirSync(folder).filter((name) => DICTIONARY.test(name))
      : [];
    const [name, ...others] = names;
    // Several are a choice that nothing here can make.
    if (name === undefined || others.length > 0) return null;
    const path = join(folder, name);
    return { path, model: modelOfVocabulary(await GeneVocabulary.read(path)) };
  } catch (error) {
    throw fromFsError(error, record);
  }
}

/** `bionemo with 25429 tokens, pad 2, mask 1, cls 0`. */
function named({
  name,
  vocabularySize,
  padId,
  maskId,
  clsId,
  vocabularySha256,
}: TokenModel): string {
  const cls = clsId === null ? "" : `, cls ${clsId}`;
  const sum = vocabularySha256.slice(0, 8);
  return `${name} with ${vocabularySize} tokens, pad ${padId}, mask ${maskId}${cls} (${sum})`;
}

/** @param name the layout of the weights' vocabulary; null where nothing says it */
function waysOut(name: string | null): string[] {
  const own = "geneformer.vocab, the one they were trained with: --vocab";
  const tokens =
    "scdl tokenize-cells CELLS --vocab token_dictionary.pkl --medians gene_median_dictionary.pkl, those of the weights, and name the tokens as data";
  return [
    ...(name === "bionemo" ? [own] : [tokens]),
    ...(name === null ? [`or, of weights of BioNeMo's vocabulary, ${own}`] : []),
    "to train with another vocabulary, leave the embedding of the weights out: initial_ckpt_skip_keys_with_these_prefixes",
  ];
}
