import { createHash } from "node:crypto";
import { join } from "node:path";
import { FormatError } from "../../formats/common/errors.ts";
import { decodeNpyArray } from "../../formats/npy/npy-array.ts";
import { TOKEN_OBS_FILE, type TokenModel } from "../../formats/tokens/layout.ts";
import { IndexedShards } from "../webdataset/indexed-shards.ts";
import { type CellColumn, noColumn, parquetColumn, shardColumn } from "./cell-obs.ts";
import { type GeneVocabulary, specialCount } from "./gene-vocabulary.ts";
import type { CellEnds, CellVocabulary } from "./masked-cells.ts";
import type { LoadedTokens } from "./parquet-tokens.ts";
import type { RankedCells } from "./ranked-cells.ts";
import { TokenDataset } from "./token-dataset.ts";

/** Where the token ids of a cell come from, with the special tokens around them. */
interface StoredTokens extends Disposable {
  readonly path: string;
  readonly length: number;
  readonly identity: string;
  tokens(cell: number): Int32Array;
  lengthOf(cell: number): number;
  obs(name: string): Promise<CellColumn>;
  /** The row in the data set they were made of, or the key. */
  nameOf: ((cell: number) => string) | null;
}

/** Cells that `scdl tokenize-cells` wrote, mapped or in shards, without the special tokens. */
export class TokenCells implements RankedCells {
  readonly length: number;
  readonly identity: Readonly<Record<string, unknown>>;
  /** What they were tokenised with. */
  readonly model: TokenModel;
  readonly #stored: StoredTokens;

  private constructor(stored: StoredTokens, model: TokenModel) {
    this.#stored = stored;
    this.model = model;
    this.length = stored.length;
    this.identity = { tokens: stored.identity };
  }

  /** Memory-mapped ones. @throws as `TokenDataset.open` */
  static open(directory: string): TokenCells {
    const dataset = TokenDataset.open(directory);
    const stored: StoredTokens = {
      path: directory,
      length: dataset.length,
      identity: dataset.identity,
      tokens: (idx) => dataset.at({ epoch: 0, idx }).inputIds,
      lengthOf: (cell) => dataset.lengthOf(cell),
      nameOf: (idx) => String(dataset.at({ epoch: 0, idx }).row),
      obs: async (name) => {
        const { obs: available } = dataset.header;
        if (!available.includes(name)) throw noColumn(directory, name, available);
        return parquetColumn([join(directory, TOKEN_OBS_FILE)], directory, name);
      },
      [Symbol.dispose]: () => dataset.close(),
    };
    return new TokenCells(stored, dataset.header.model);
  }

  /** Shards with `input_ids.npy`. @throws as `IndexedShards.open` */
  static async openShards(
    path: string,
    model: TokenModel,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<TokenCells> {
    const shards = await IndexedShards.open(path, options);
    const lengths = new Uint32Array(shards.length);
    const stored: StoredTokens = {
      path,
      length: shards.length,
      identity: shards.identity,
      tokens: (cell) => tokensOf(shards, cell),
      lengthOf: (cell) => (lengths[cell] ||= tokensOf(shards, cell).length),
      nameOf: (cell) => shards.sample(cell).key,
      obs: async (name) => shardColumn(shards, path, name),
      [Symbol.dispose]: () => shards.close(),
    };
    return new TokenCells(stored, model);
  }

  /** Those that were read into memory. */
  static of(path: string, loaded: LoadedTokens, model: TokenModel): TokenCells {
    const { ids, offsets, identity, files } = loaded;
    const stored: StoredTokens = {
      path,
      length: offsets.length - 1,
      identity,
      tokens: (cell) => Int32Array.from(ids.subarray(offsets[cell], offsets[cell + 1])),
      lengthOf: (cell) => (offsets[cell + 1] ?? 0) - (offsets[cell] ?? 0),
      nameOf: null,
      obs: (name) => parquetColumn(files, path, name),
      [Symbol.dispose]: () => {},
    };
    return new TokenCells(stored, model);
  }

  /** @throws FormatError "bad-token" for an id outside the vocabulary */
  ranked(row: number): Int32Array {
    const { clsId, eosId, vocabularySize } = this.model;
    const ids = this.#stored.tokens(row);
    const begin = clsId !== null && ids[0] === clsId ? 1 : 0;
    const end = ids.length - (eosId !== null && ids.at(-1) === eosId ? 1 : 0);
    for (const id of ids) {
      if (id >= 0 && id < vocabularySize) continue;
      const message = `cell ${row}: expected ids below ${vocabularySize}, found ${id}`;
      throw new FormatError("bad-token", message, { path: this.#stored.path });
    }
    return ids.subarray(begin, Math.max(begin, end));
  }

  mostGenes(row: number): number {
    return this.#stored.lengthOf(row);
  }

  obs(name: string): Promise<CellColumn> {
    return this.#stored.obs(name);
  }

  async names(): Promise<((row: number) => string) | null> {
    return this.#stored.nameOf;
  }

  [Symbol.dispose](): void {
    this.#stored[Symbol.dispose]();
  }
}

/** What masking must know, of the vocabulary that tokens were made with. */
export function vocabularyOfTokens(model: TokenModel, path: string): CellVocabulary & CellEnds {
  const { vocabularySize: vocabSize, padId, maskId, clsId, eosId } = model;
  const count = specialCount(model.name);
  const special = [padId, maskId, ...[clsId, eosId].filter((id) => id !== null)];
  if (count === null || special.some((id) => id >= count) || vocabSize <= count) {
    const message = `expected a vocabulary whose special tokens come first, found ${model.name} with ${special.join(", ")}`;
    throw new FormatError("bad-vocabulary", message, { path });
  }
  const specialIds = Array.from({ length: count }, (_, id) => id);
  return { vocabSize, padId, maskId, clsId, eosId, specialIds };
}

/** What a header would say of tokens without one; special tokens around a cell are those of the layout. */
export function modelOfVocabulary(vocabulary: GeneVocabulary): TokenModel {
  const { special, size, layout, maxTokens } = vocabulary;
  const { pad, mask, cls, eos } = special;
  const idOf = (token: string | null) => (token === null ? null : vocabulary.idOf(token));
  return {
    name: layout,
    vocabularySize: size,
    vocabularySha256: vocabularySha256(vocabulary),
    padId: vocabulary.idOf(pad),
    maskId: vocabulary.idOf(mask),
    clsId: idOf(cls),
    // BioNeMo has a [SEP] and puts none.
    eosId: layout === "bionemo" ? null : idOf(eos),
    maxTokens,
  };
}

/** A checksum of tokens and ids, as the header of tokenised cells has it. */
export function vocabularySha256({ ids }: GeneVocabulary): string {
  return createHash("sha256")
    .update(JSON.stringify([...ids]))
    .digest("hex");
}

function tokensOf(shards: IndexedShards, cell: number): Int32Array {
  const { key, path, fields } = shards.sample(cell);
  const bytes = fields.get("input_ids.npy");
  const sample = `sample ${JSON.stringify(key)}`;
  if (bytes === undefined) {
    const found = [...fields.keys()].join(", ");
    const message = `${sample}: expected a field input_ids.npy, found ${found}`;
    throw new FormatError("no-such-field", message, { path });
  }
  const { dtype, shape, data } = decodeNpyArray(ownBytes(bytes), path);
  if (data instanceof Int32Array && shape.length === 1) return data;
  const message = `${sample}: expected input_ids.npy as int32 [tokens], found ${dtype} [${shape}]`;
  throw new FormatError("bad-field", message, { path });
}

/** Bytes that lie in memory of their own, as they do: samples are copies. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : bytes.slice();
}
