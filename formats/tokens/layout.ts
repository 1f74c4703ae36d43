/** Files of tokenised cells on disk and the header that names them; docs/tokens.md describes them. */
import { crc32Hex } from "../common/crc32.ts";
import { FormatError, UnsupportedFeatureError } from "../common/errors.ts";
import { HeaderFields } from "../common/header-fields.ts";
import type { FileDigest } from "../common/output-file.ts";

/** Programs that read a folder of parquet files leave out names that begin with "_". */
export const TOKEN_HEADER = "_tokens.json";
/** The files of layout "mapped". */
export const TOKEN_FILES = { ids: "ids.bin", offsets: "offsets.u64", rows: "rows.u64" } as const;
/** Obs columns of the cells, in their order; layout "mapped" with such columns has it. */
export const TOKEN_OBS_FILE = "obs.parquet";

const FORMAT = "scdl-tokens";
const VERSION = 1;
export const MAX_TOKEN_HEADER_BYTES = 64 << 20;

export const TOKEN_LAYOUTS = ["mapped", "parquet", "webdataset"] as const;
export type TokenLayout = (typeof TOKEN_LAYOUTS)[number];
export type IdType = "uint16" | "uint32";

/** What the tokens were made with. */
export interface TokenModel {
  readonly name: string;
  /** Tokens of the vocabulary, and a checksum of them. */
  readonly vocabularySize: number;
  readonly vocabularySha256: string;
  readonly padId: number;
  readonly maskId: number;
  /** Put around every cell; null for none. */
  readonly clsId: number | null;
  readonly eosId: number | null;
  readonly maxTokens: number;
}

export interface TokenHeader {
  readonly layout: TokenLayout;
  readonly cells: number;
  readonly tokens: number;
  /** Rows of the data sets, with those that were left out. */
  readonly sourceRows: number;
  /** Of the files of layout "mapped". */
  readonly idType: IdType;
  readonly model: TokenModel;
  readonly obs: readonly string[];
  readonly files: ReadonlyMap<string, FileDigest>;
}

export function encodeTokenHeader({ files, ...header }: TokenHeader): Uint8Array {
  const listed = [...files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { bytes, crc32 }]) => [name, { bytes, crc32: crc32Hex(crc32) }] as const);
  const fields = { format: FORMAT, version: VERSION, ...header, files: Object.fromEntries(listed) };
  return Buffer.from(`${JSON.stringify(fields, null, 2)}\n`);
}

/** @throws FormatError, UnsupportedFeatureError for a later version */
export function decodeTokenHeader(text: string, path: string): TokenHeader {
  const suggestion = "tokenize the cells again: the header is damaged";
  const root = HeaderFields.parse(text, { path, suggestion });
  if (root.value("format") !== FORMAT) {
    throw new FormatError(
      "not-tokens",
      `expected format "${FORMAT}", found ${JSON.stringify(root.value("format")) ?? "none"}`,
      { path, suggestions: ["name the folder that scdl tokenize-cells has made"] },
    );
  }
  if (root.value("version") !== VERSION) {
    const found = JSON.stringify(root.value("version"));
    throw new UnsupportedFeatureError("tokens version", `${path}: version ${found}, expected 1`, {
      suggestions: ["update scdl, or tokenize the cells again"],
    });
  }
  const layout = oneOf(root, "layout", TOKEN_LAYOUTS);
  const header = {
    layout,
    cells: root.count("cells"),
    tokens: root.count("tokens"),
    sourceRows: root.count("sourceRows"),
    idType: oneOf(root, "idType", ["uint16", "uint32"] as const),
    model: decodeTokenModel(root.fields("model")),
    obs: textsOf(root, "obs"),
    files: decodeFiles(root.fields("files")),
  };
  if (header.cells > header.sourceRows) root.fail("cells", "at most sourceRows", header.cells);
  if (layout !== "mapped") return header;
  for (const [name, bytes] of expectedTokenBytes(header)) {
    const found = header.files.get(name)?.bytes;
    if (found !== bytes) root.fail(`files.${name}.bytes`, String(bytes), found);
  }
  return header;
}

/** Length of every file of layout "mapped". */
export function expectedTokenBytes(
  header: Pick<TokenHeader, "cells" | "tokens" | "idType">,
): Map<string, number> {
  return new Map([
    [TOKEN_FILES.ids, header.tokens * (header.idType === "uint16" ? 2 : 4)],
    [TOKEN_FILES.offsets, 8 * (header.cells + 1)],
    [TOKEN_FILES.rows, 8 * header.cells],
  ]);
}

/** @throws FormatError "bad-header" naming the field */
export function decodeTokenModel(model: HeaderFields): TokenModel {
  const idEnd = 2 ** 31 - 1;
  const id = (name: string) => (model.value(name) === null ? null : model.count(name, idEnd));
  const text = (name: string) => {
    const value = model.value(name);
    return typeof value === "string" ? value : model.fail(name, "a text", value);
  };
  return {
    name: text("name"),
    vocabularySize: model.count("vocabularySize", idEnd),
    vocabularySha256: text("vocabularySha256"),
    padId: model.count("padId", idEnd),
    maskId: model.count("maskId", idEnd),
    clsId: id("clsId"),
    eosId: id("eosId"),
    maxTokens: model.count("maxTokens"),
  };
}

function decodeFiles(files: HeaderFields): Map<string, FileDigest> {
  return new Map(
    files.names.map((name) => {
      const digest = files.fields(name);
      const crc = digest.value("crc32");
      if (typeof crc !== "string" || !/^[0-9a-f]{8}$/.test(crc) || /[/\\]/.test(name)) {
        return digest.fail("crc32", "eight hex digits", crc);
      }
      return [name, { bytes: digest.count("bytes"), crc32: Number.parseInt(crc, 16) }];
    }),
  );
}

function oneOf<T extends string>(fields: HeaderFields, name: string, values: readonly T[]): T {
  const value = fields.value(name);
  return values.find((known) => known === value) ?? fields.fail(name, values.join(" or "), value);
}

function textsOf(fields: HeaderFields, name: string): string[] {
  const value: unknown = fields.value(name);
  const isTexts = Array.isArray(value) && value.every((item) => typeof item === "string");
  return isTexts ? value : fields.fail(name, "a list of texts", value);
}
