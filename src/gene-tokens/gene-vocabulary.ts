import { FormatError, InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import { describe, type RawDictionary, readDictionary } from "./read-dictionary.ts";

/** Token ids by token: genes and special tokens. */
export type TokenIds = ReadonlyMap<string, number>;

/** Special tokens by what they are for; null where the vocabulary has none. */
export interface SpecialTokens {
  readonly pad: string;
  readonly mask: string;
  readonly cls: string | null;
  readonly eos: string | null;
  readonly unknown: string | null;
}

/**
 * How models number genes: the official ones trained on 30 M cells ("V1": 2,048 tokens, no cls and
 * eos) and on 95 or 104 M ("V2": 4,096 tokens), and BioNeMo's.
 */
export type VocabularyLayout = "V1" | "V2" | "bionemo";

export const SPECIAL_TOKENS: Readonly<Record<VocabularyLayout, SpecialTokens>> = {
  V1: { pad: "<pad>", mask: "<mask>", cls: null, eos: null, unknown: null },
  V2: { pad: "<pad>", mask: "<mask>", cls: "<cls>", eos: "<eos>", unknown: null },
  bionemo: { pad: "[PAD]", mask: "[MASK]", cls: "[CLS]", eos: "[SEP]", unknown: "[UKW]" },
};

/** Ids end here: a larger one would not fit the Int32Array of tokens. */
const IDS_END = 2 ** 31;

/** Genes of a model and their token ids. */
export class GeneVocabulary {
  readonly layout: VocabularyLayout;
  readonly ids: TokenIds;
  /** Longest sequence the model takes, special tokens included. */
  readonly maxTokens: number;
  #tokens: ReadonlyMap<number, string> | undefined;

  /** @throws InvalidArgumentError for special tokens that are missing or ids that are no ids. */
  constructor(ids: TokenIds, layout: VocabularyLayout) {
    const problem = findProblem(ids, layout);
    if (problem !== null) throw new InvalidArgumentError("ids", ids.size, problem);
    this.ids = ids;
    this.layout = layout;
    this.maxTokens = layout === "V2" ? 4096 : 2048;
  }

  /**
   * A token dictionary (`token_dictionary_*.pkl`, JSON, `geneformer.vocab`, parquet); the layout is
   * found by its special tokens, or must be `layout`.
   * @throws FormatError "bad-vocabulary" naming the token, for missing special tokens, ids that are
   *   not integers from 0, and two tokens with one id.
   */
  static async read(path: string, layout?: VocabularyLayout): Promise<GeneVocabulary> {
    return GeneVocabulary.of(await readDictionary(path, "vocab"), path, layout);
  }

  /** @throws as {@link read} */
  static of(entries: RawDictionary, path: string, layout = layoutOf(entries)): GeneVocabulary {
    const problem = findProblem(entries, layout);
    if (problem !== null) throw new FormatError("bad-vocabulary", problem, { path });
    // findProblem has seen that every value is a number.
    return new GeneVocabulary(entries as TokenIds, layout);
  }

  get size(): number {
    return this.ids.size;
  }

  get special(): SpecialTokens {
    return SPECIAL_TOKENS[this.layout];
  }

  /** Ids of all special tokens, in the order of their names' list. */
  get specialIds(): readonly number[] {
    return specialNames(this.layout).map((token) => this.idOf(token));
  }

  /** @throws NotFoundError "no-such-token" */
  idOf(token: string): number {
    const id = this.ids.get(token);
    if (id !== undefined) return id;
    throw new NotFoundError("no-such-token", `Do not recognize token: ${token}`, { what: token });
  }

  /** @throws NotFoundError "no-such-token" */
  tokenOf(id: number): string {
    this.#tokens ??= new Map(Array.from(this.ids, ([token, number]) => [number, token]));
    const token = this.#tokens.get(id);
    if (token !== undefined) return token;
    throw new NotFoundError("no-such-token", `Do not recognize ID: ${id}`, { what: String(id) });
  }

  /** Genes for token ids, e.g. of one tokenised cell. @throws as {@link tokenOf} */
  decode(ids: ArrayLike<number>): string[] {
    return Array.from(ids, (id) => this.tokenOf(id));
  }
}

/** BioNeMo's list, in its order: [CLS], [MASK], [PAD], [SEP], [UKW]. */
export const BIONEMO_SPECIAL_TOKENS = ["[CLS]", "[MASK]", "[PAD]", "[SEP]", "[UKW]"] as const;

function specialNames(layout: VocabularyLayout): readonly string[] {
  if (layout === "bionemo") return BIONEMO_SPECIAL_TOKENS;
  const { pad, mask, cls, eos } = SPECIAL_TOKENS[layout];
  return [pad, mask, cls, eos].filter((name) => name !== null);
}

/** Special tokens of a layout; null for one that is not known. */
export function specialCount(layout: string): number | null {
  return Object.hasOwn(SPECIAL_TOKENS, layout)
    ? specialNames(layout as VocabularyLayout).length // proof: one of its names
    : null;
}

function layoutOf(entries: RawDictionary): VocabularyLayout {
  if (entries.has("[PAD]") || entries.has("[CLS]") || entries.has("[MASK]")) return "bionemo";
  return entries.has("<cls>") || entries.has("<eos>") ? "V2" : "V1";
}

function findProblem(entries: RawDictionary, layout: VocabularyLayout): string | null {
  const missing = specialNames(layout).filter((name) => !entries.has(name));
  if (missing.length > 0) {
    return `Vocab must contain all of ${specialNames(layout).join(" ")}, missing ${missing.join(" ")}`;
  }
  const owners = new Map<number, string>();
  for (const [token, id] of entries) {
    if (!(typeof id === "number" && Number.isInteger(id) && id >= 0 && id < IDS_END)) {
      return `the id of ${JSON.stringify(token)} is ${describe(id)}, expected an integer from 0`;
    }
    const owner = owners.get(id);
    if (owner !== undefined) {
      return `${JSON.stringify(owner)} and ${JSON.stringify(token)} have one id, ${id}`;
    }
    owners.set(id, token);
  }
  return null;
}
