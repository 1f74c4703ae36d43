/** `vocabulary.json` of a checkpoint: which vocabulary its weights are of. */
import { HeaderFields } from "../common/header-fields.ts";
import { decodeTokenModel, type TokenModel } from "./layout.ts";

export const VOCABULARY_RECORD = "vocabulary.json";

/** The names are those of the header of tokenised cells. */
export function encodeVocabularyRecord(model: TokenModel): Uint8Array {
  return Buffer.from(`${JSON.stringify(model, null, 2)}\n`);
}

/** @throws FormatError "bad-header" naming the field */
export function decodeVocabularyRecord(text: string, path: string): TokenModel {
  const suggestion = "copy the checkpoint again: the record of its vocabulary is damaged";
  return decodeTokenModel(HeaderFields.parse(text, { path, suggestion }));
}
