/** Cells that are tokens already: what they were made with, and how they are opened. */
import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fromFsError, IncompatibleError, NotFoundError } from "../../../formats/common/errors.ts";
import { TOKEN_HEADER, type TokenModel } from "../../../formats/tokens/layout.ts";
import { GeneVocabulary } from "../../gene-tokens/gene-vocabulary.ts";
import { loadParquetTokens } from "../../gene-tokens/parquet-tokens.ts";
import type { RankedCells } from "../../gene-tokens/ranked-cells.ts";
import { modelOfVocabulary, TokenCells } from "../../gene-tokens/token-cells.ts";
import { readTokenHeader } from "../../gene-tokens/token-dataset.ts";
import type { CellInput } from "./cell-inputs.ts";

export function isTokens({ kind }: CellInput): boolean {
  return kind === "tokens" || kind === "token-shards" || kind === "token-parquet";
}

/**
 * The model of the header beside the tokens; of Geneformer's own files, which have none, that of the
 * vocabulary that is named.
 * @throws NotFoundError "no-vocabulary"
 */
export async function tokenModel(
  { path }: CellInput,
  vocab: string | undefined,
): Promise<TokenModel> {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const folder = isFolder ? path : dirname(path);
  if (statSync(join(folder, TOKEN_HEADER), { throwIfNoEntry: false })?.isFile() === true) {
    return readTokenHeader(folder).model;
  }
  if (vocab !== undefined) return modelOfVocabulary(await GeneVocabulary.read(vocab));
  const message = `${path}: nothing says which vocabulary the tokens are of`;
  throw new NotFoundError("no-vocabulary", message, {
    what: TOKEN_HEADER,
    suggestions: ["name it: --vocab token_dictionary_gc30M.pkl, or as the tokens were made"],
  });
}

/** @throws IncompatibleError "vocabulary" for tokens of another one */
export async function openTokens(
  input: CellInput,
  {
    vocabularySha256: sha256,
    ...options
  }: {
    readonly vocabularySha256: string;
    readonly vocab: string | undefined;
    readonly signal: AbortSignal | undefined;
  },
): Promise<RankedCells> {
  const { path, kind } = input;
  const { vocab, signal } = options;
  const model = await tokenModel(input, vocab);
  if (model.vocabularySha256 !== sha256) {
    throw new IncompatibleError(
      "vocabulary",
      `${path}: the tokens are of another vocabulary (${model.vocabularySize} tokens, ${model.name})`,
      { suggestions: ["tokenize all cells with one vocabulary: scdl tokenize-cells --vocab FILE"] },
    );
  }
  if (kind === "tokens") return TokenCells.open(path);
  if (kind === "token-shards") return TokenCells.openShards(path, model, { signal });
  const loaded = await loadParquetTokens(parquetFiles(path), model.vocabularySize, signal);
  return TokenCells.of(path, loaded, model);
}

function parquetFiles(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => /^tokens-\d+\.parquet$/.test(name));
    return names.sort((a, b) => (a < b ? -1 : 1)).map((name) => join(path, name));
  } catch (error) {
    throw fromFsError(error, path);
  }
}
