import { IncompatibleError, InvalidArgumentError } from "../../formats/common/errors.ts";
import { readVocabTxt } from "../../formats/vocab/vocab-txt.ts";
import { ESM_TOKENS } from "./esm-tokens.ts";
import { TokenMatcher, unitsOf } from "./token-matcher.ts";

export interface TokenEncodeOptions {
  /** `<cls>` in front and `<eos>` at the end. Default true. */
  readonly addSpecialTokens?: boolean;
}

export interface TokenDecodeOptions {
  /** Leaves out `<cls>`, `<pad>`, `<eos>`, `<unk>` and `<mask>`. Default false. */
  readonly skipSpecialTokens?: boolean;
  /** No space before `.`, as BioNeMo's configuration has it. Default false, as transformers 5. */
  readonly cleanUpTokenizationSpaces?: boolean;
}

/**
 * The tokenizer of ESM-2: one token a residue, equal to transformers' `EsmTokenizer` on any text.
 *
 * Residues are upper case; `<mask>` and the other named tokens may stand in the text; spaces
 * separate and are no tokens; each piece that is no token is one `<unk>`. It keeps no state between
 * calls and can be shared.
 */
export class EsmTokenizer {
  /** Every token; its place is its id. */
  readonly tokens: readonly string[];
  readonly clsId: number;
  readonly padId: number;
  readonly eosId: number;
  readonly unkId: number;
  readonly maskId: number;
  /** The five ids above, in rising order: never masked. */
  readonly specialIds: readonly number[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly #matcher: TokenMatcher;

  /**
   * `tokens`: the vocabulary in the order of ids. Default {@link ESM_TOKENS}.
   *
   * @throws IncompatibleError when one of the five special tokens is missing.
   */
  constructor(tokens: readonly string[] = ESM_TOKENS) {
    const ids = new Map(tokens.map((token, id) => [token, id]));
    const special = ["<cls>", "<pad>", "<eos>", "<unk>", "<mask>"];
    const missing = special.filter((token) => !ids.has(token));
    if (missing.length > 0) {
      throw new IncompatibleError(
        "no-special-token",
        `the vocabulary of ${tokens.length} tokens lacks ${missing.join(", ")}`,
        {
          suggestions: ["use the vocab.txt of an ESM-2 model, or no vocabulary for the 33 tokens"],
        },
      );
    }
    const [clsId = 0, padId = 0, eosId = 0, unkId = 0, maskId = 0] = special.map((t) => ids.get(t));
    this.tokens = [...tokens];
    this.clsId = clsId;
    this.padId = padId;
    this.eosId = eosId;
    this.unkId = unkId;
    this.maskId = maskId;
    this.specialIds = [clsId, padId, eosId, unkId, maskId].sort((a, b) => a - b);
    this.#ids = ids;
    this.#matcher = new TokenMatcher(tokens);
  }

  /**
   * A tokenizer with the vocabulary of a `vocab.txt`.
   *
   * @throws FormatError for a damaged file, IncompatibleError naming it when special tokens are
   *   missing, NotFoundError.
   */
  static fromVocabFile(path: string): EsmTokenizer {
    const tokens = readVocabTxt(path);
    try {
      return new EsmTokenizer(tokens);
    } catch (error) {
      if (!(error instanceof IncompatibleError)) throw error;
      const { code, message, suggestions } = error;
      throw new IncompatibleError(code, `${path}: ${message}`, { suggestions, cause: error });
    }
  }

  /** Tokens, special ones included: 33. */
  get vocabSize(): number {
    return this.tokens.length;
  }

  /** Its id, that of `<unk>` for what is no token. */
  tokenToId(token: string): number {
    return this.#ids.get(token) ?? this.unkId;
  }

  /** Its token, `<unk>` for what is no id. */
  idToToken(id: number): string {
    return this.tokens[id] ?? (this.tokens[this.unkId] as string);
  }

  /**
   * The ids of a text, in a new array. Bytes are read as Latin-1; residues in ASCII are the fast
   * way in.
   */
  encode(text: string | Uint8Array, options: TokenEncodeOptions = {}): Int32Array {
    const target = new Int32Array(text.length + 2);
    return target.slice(0, this.encodeInto(text, target, 0, options));
  }

  /**
   * Writes the ids to `target` from `offset` on and returns the place after the last.
   *
   * @throws InvalidArgumentError when `target` may be too short: text.length + 2 ids always fit.
   */
  encodeInto(
    text: string | Uint8Array,
    target: Int32Array,
    offset = 0,
    options: TokenEncodeOptions = {},
  ): number {
    const { length } = text;
    if (!(offset >= 0 && offset + length + 2 <= target.length)) {
      throw new InvalidArgumentError(
        "target",
        target,
        `target has ${target.length} places, ${length} characters may need ${length + 2} from ${offset} on`,
      );
    }
    const addSpecial = options.addSpecialTokens !== false;
    let at = offset;
    if (addSpecial) target[at++] = this.clsId;
    const units = typeof text === "string" ? unitsOf(text) : text;
    at = this.#matcher.write(units, length, this.unkId, target, at);
    if (addSpecial) target[at++] = this.eosId;
    return at;
  }

  /** The tokens of a text as {@link encode} finds them: `<unk>` for what is none. */
  tokenize(text: string | Uint8Array): string[] {
    const ids = this.encode(text, { addSpecialTokens: false });
    return Array.from(ids, (id) => this.idToToken(id));
  }

  /** Tokens with a space between, as transformers' `decode`; `<unk>` for what is no id. */
  decode(ids: ArrayLike<number>, options: TokenDecodeOptions = {}): string {
    const tokens: string[] = [];
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as number;
      if (options.skipSpecialTokens === true && this.specialIds.includes(id)) continue;
      tokens.push(this.idToToken(id));
    }
    const text = tokens.join(" ");
    return options.cleanUpTokenizationSpaces === true ? text.replaceAll(" .", ".") : text;
  }
}
