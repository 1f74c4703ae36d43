import { readFileSync } from "node:fs";
import { FormatError, fromFsError } from "../common/errors.ts";

/**
 * Reads a `vocab.txt`: one token a line, the line's number from 0 is its id. Spaces around a token
 * do not count, as in transformers.
 *
 * @throws FormatError for a file without tokens, an empty line, a token with a space inside, one
 *   that is there twice, or text that is not UTF-8; NotFoundError, StorageError.
 */
export function readVocabTxt(path: string): string[] {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw fromFsError(error, path);
  }
  return parseVocabTxt(bytes, path);
}

/** {@link readVocabTxt} of bytes; `path` is for errors. */
export function parseVocabTxt(bytes: Uint8Array, path: string): string[] {
  const lines = decode(bytes, path).split(/\r\n|\n|\r/);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) throw broken(path, "a vocabulary without tokens");
  const lineOf = new Map<string, number>();
  for (const [i, line] of lines.entries()) {
    const token = line.trim();
    if (token === "") throw broken(path, `line ${i + 1} is empty, expected a token`);
    if (/\s/.test(token)) {
      throw broken(
        path,
        `line ${i + 1}: ${JSON.stringify(token)} is no token, it has a space in it`,
      );
    }
    const before = lineOf.get(token);
    if (before !== undefined) {
      throw broken(path, `line ${i + 1}: token ${JSON.stringify(token)} is on line ${before} too`);
    }
    lineOf.set(token, i + 1);
  }
  return [...lineOf.keys()];
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError("not-utf8", "a vocabulary is UTF-8 text, this is not", {
      path,
      suggestions: ["check that this is the vocab.txt of a tokenizer"],
      cause,
    });
  }
}

function broken(path: string, message: string): FormatError {
  return new FormatError("bad-vocabulary", message, {
    path,
    suggestions: ["write one token a line, as transformers' vocab.txt has them"],
  });
}
