import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { IncompatibleError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import { EsmTokenizer } from "../../../src/tokenize/esm-tokenizer.ts";
import { ESM_TOKENS } from "../../../src/tokenize/esm-tokens.ts";
import { readGolden } from "../random/golden.ts";

type Ids = readonly number[];
type Text = readonly [text: string, bare: Ids, withSpecial: Ids];

interface Golden {
  readonly special: readonly [ids: Ids, all: Ids];
  readonly texts: readonly Text[];
  readonly own: readonly (readonly [tokens: readonly string[], texts: readonly Text[]])[];
  readonly decoded: readonly (readonly [Ids, string, string, string, string])[];
}

const golden = readGolden<Golden>("tokenize/esm2-tokens");
const esm = new EsmTokenizer();

function ids(tokenizer: EsmTokenizer, text: string | Uint8Array): Ids[] {
  return [{ addSpecialTokens: false }, {}].map((options) => [...tokenizer.encode(text, options)]);
}

describe("ids are those of transformers' EsmTokenizer", () => {
  test("of texts with residues, special and unknown tokens, spaces of every kind", () => {
    expect(golden.texts.length).toBeGreaterThan(400);
    for (const [text, ...expected] of golden.texts) {
      expect(ids(esm, text), JSON.stringify(text)).toEqual(expected);
    }
  });

  test("of bytes, where the text is Latin-1", () => {
    const latin1 = golden.texts.filter(([text]) => /^[\0-\xff]*$/.test(text));
    expect(latin1.length).toBeGreaterThan(300);
    for (const [text, ...expected] of latin1) {
      expect(ids(esm, Buffer.from(text, "latin1")), JSON.stringify(text)).toEqual(expected);
    }
  });

  test("with vocabularies whose tokens overlap", () => {
    for (const [tokens, texts] of golden.own) {
      const tokenizer = new EsmTokenizer(tokens);
      for (const [text, ...expected] of texts) {
        expect(ids(tokenizer, text), `${tokens}: ${JSON.stringify(text)}`).toEqual(expected);
      }
    }
  });

  test("the special ids, and decoding", () => {
    const { clsId, padId, eosId, unkId, maskId } = esm;
    expect([[clsId, padId, eosId, unkId, maskId], esm.specialIds]).toEqual(golden.special);
    expect(esm.vocabSize).toBe(33);
    for (const [tokens, ...expected] of golden.decoded) {
      const found = [false, true].flatMap((skipSpecialTokens) =>
        [false, true].map((cleanUpTokenizationSpaces) =>
          esm.decode(tokens, { skipSpecialTokens, cleanUpTokenizationSpaces }),
        ),
      );
      expect(found, `${tokens}`).toEqual(expected);
    }
  });
});

test("a token of each id comes back as that id", () => {
  const id = fc.integer({ min: 0, max: 32 });
  fc.assert(
    fc.property(fc.array(id, { maxLength: 50 }), fc.constantFrom("", " "), (tokens, between) => {
      const text = tokens.map((token) => esm.idToToken(token)).join(between);
      expect([...esm.encode(text, { addSpecialTokens: false })]).toEqual(tokens);
      expect(esm.tokenize(text)).toEqual(tokens.map((token) => ESM_TOKENS[token]));
    }),
  );
});

test("a text never has more tokens than characters, and two more around them", () => {
  const piece = fc.constantFrom(...ESM_TOKENS, "<", "a", "é", "友", " ", "\u3000", "\ud83d");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const text = pieces.join("");
      const target = new Int32Array(text.length + 5).fill(-7);
      const end = esm.encodeInto(text, target, 3);
      expect(target.subarray(0, 3).join()).toBe("-7,-7,-7");
      expect(target.subarray(3, end).join()).toBe(esm.encode(text).join());
      expect(target.subarray(end).every((id) => id === -7)).toBe(true);
    }),
  );
});

test("a target that may be too short is refused before it is written to", () => {
  const target = new Int32Array(4);
  expect(() => esm.encodeInto("LAG", target)).toThrow(InvalidArgumentError);
  expect(() => esm.encodeInto("L", target, -1)).toThrow(InvalidArgumentError);
  expect(target).toEqual(new Int32Array(4));
});

test("unknown tokens and ids are <unk>", () => {
  expect([esm.tokenToId("J"), esm.tokenToId("L"), esm.idToToken(99)]).toEqual([3, 4, "<unk>"]);
});

describe("vocab.txt", () => {
  function write(text: string): string {
    const folder = mkdtempSync(join(tmpdir(), "scdl-vocab-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "vocab.txt");
    writeFileSync(path, text);
    return path;
  }

  test("has a token a line, the number of the line is its id", () => {
    const path = write(`${[...ESM_TOKENS].reverse().join(" \r\n")}\n`);
    const tokenizer = EsmTokenizer.fromVocabFile(path);
    expect(tokenizer.tokens).toEqual([...ESM_TOKENS].reverse());
    expect([...tokenizer.encode("<mask>L")]).toEqual([32, 0, 28, 30]);
  });

  test("without the special tokens is refused, naming the file and what is missing", () => {
    const path = write("<cls>\n<pad>\nL\n");
    const read = () => EsmTokenizer.fromVocabFile(path);
    expect(read).toThrow(IncompatibleError);
    expect(read).toThrow(`${path}: the vocabulary of 3 tokens lacks <eos>, <unk>, <mask>`);
  });
});
