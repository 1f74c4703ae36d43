/**
 * ESM-2's tokens against transformers, its masks and training items against torch and numpy, and
 * against BioNeMo's own code when SCDL_BIONEMO_SRC names a checkout that has it. Other random texts
 * in every run.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { clustersFromArrays } from "../../src/proteins/clusters-from-arrays.ts";
import {
  ESMMaskedResidueDataset,
  type RandomMaskStrategy,
} from "../../src/proteins/esm-masked-residue-dataset.ts";
import { NumpyGenerator } from "../../src/random/numpy-generator.ts";
import { seedFrom } from "../../src/random/seed-from.ts";
import {
  applyBertPretrainingMask,
  BertMaskConfig,
  type MaskedTokens,
} from "../../src/tokenize/bert-mask.ts";
import { EsmTokenizer } from "../../src/tokenize/esm-tokenizer.ts";
import { AMINO_ACID_IDS, ESM_TOKENS } from "../../src/tokenize/esm-tokens.ts";
import { askOnce } from "./ask-once.ts";
import { seedOfRun } from "./orders.ts";
import type { Tally } from "./tally.ts";

const DRIVER = fileURLToPath(new URL("./tokens_esm_original.py", import.meta.url));
const ODD = [
  "a",
  "x",
  "J",
  "*",
  "<",
  "<ma",
  "mask>",
  " ",
  "\t",
  "\n",
  "\u00a0",
  "\u0085",
  "\u001c",
];
const WIDE = ["\u3000", "\u200b", "é", "Ł", "友", "😀"];
const MASKED = ["text", "labels", "lossMask"] as const;

interface Answer {
  readonly texts: readonly unknown[];
  readonly decoded: readonly unknown[];
  readonly masks: readonly unknown[];
  readonly items: readonly unknown[];
}

export async function checkEsmTokens(tally: Tally, python: string): Promise<void> {
  const rng = NumpyGenerator.fromSeed([seedOfRun(), 33]);
  const texts = Array.from({ length: 600 }, (_, i) =>
    randomText(rng, [...ESM_TOKENS, ...ODD, ...(i % 2 === 0 ? WIDE : [])], i % 10 === 0 ? 400 : 30),
  );
  const ids = Array.from({ length: 100 }, () => [...rng.integers(-2, 36, rng.integer(0, 30))]);
  const masks = Array.from({ length: 300 }, (_, i) => randomMask(rng, i % 2 === 0));
  const { proteins, clusters } = randomProteins(rng);
  const items = Array.from({ length: 300 }, () => randomItem(rng, clusters.length));
  const checkout = esmCheckout();
  const by = checkout === null ? "numpy and torch" : "BioNeMo";
  if (checkout === null) {
    tally.skip(
      "items of BioNeMo's own code",
      "SCDL_BIONEMO_SRC names no checkout with bionemo-esm2",
    );
  }
  const request = { tokens: ESM_TOKENS, texts, ids, masks, proteins, clusters, items, checkout };
  const expected: Partial<Answer> = {};
  await tally.check("tokens: transformers, torch and numpy answer", async () => {
    // tokens_esm_original.py answers so.
    Object.assign(expected, (await askOnce(python, DRIVER, request)) as Answer);
    return [];
  });

  const esm = new EsmTokenizer();
  const bare = { addSpecialTokens: false };
  await tally.check(
    `tokens: ${texts.length} random texts by transformers' EsmTokenizer`,
    async () =>
      differences(expected.texts, texts, (text) => [
        [...esm.encode(text, bare)],
        [...esm.encode(text)],
      ]),
  );
  await tally.check("tokens: ids decoded by transformers' EsmTokenizer", async () =>
    differences(expected.decoded, ids, (some) => [
      esm.decode(some),
      esm.decode(some, { skipSpecialTokens: true }),
    ]),
  );
  await tally.check(`tokens: ${masks.length} random masks by torch`, async () =>
    differences(expected.masks, masks, ({ ids: tokens, seed, ...config }) =>
      arraysOf(
        applyBertPretrainingMask(Int32Array.from(tokens), BigInt(seed), new BertMaskConfig(config)),
      ),
    ),
  );
  const source = clustersFromArrays(clusters, proteins);
  await tally.check(`tokens: ${items.length} random ESM-2 items by ${by}`, async () =>
    differences(expected.items, items, ({ seed, epoch, idx, randomTokenProb, ...options }) => {
      const all = { ...options, seed: BigInt(seed), maskRandomProb: randomTokenProb };
      return arraysOf(new ESMMaskedResidueDataset(source, all).at({ epoch, idx }));
    }),
  );
}

/** SCDL_BIONEMO_SRC, when ESM-2's data code is in it. */
function esmCheckout(): string | null {
  const checkout = process.env["SCDL_BIONEMO_SRC"] ?? "";
  return existsSync(join(checkout, "sub-packages/bionemo-esm2")) ? checkout : null;
}

function randomText(rng: NumpyGenerator, pieces: readonly string[], longest: number): string {
  const drawn = rng.integers(0, pieces.length, rng.integer(0, longest));
  return Array.from(drawn, (piece) => pieces[piece]).join("");
}

function randomProbabilities(rng: NumpyGenerator) {
  const maskTokenProb = rng.integer(0, 5) === 0 ? rng.integer(0, 2) : rng.random();
  const left = rng.integer(0, 4) === 0 ? 1 - maskTokenProb : (1 - maskTokenProb) * rng.random();
  const randomTokenProb = maskTokenProb + left > 1 ? 0 : left;
  const maskProb = rng.integer(0, 5) === 0 ? rng.integer(0, 2) : rng.random();
  return { maskProb, maskTokenProb, randomTokenProb };
}

function randomMask(rng: NumpyGenerator, isEsm: boolean) {
  const vocabulary = isEsm ? 33 : 25_429;
  return {
    ids: [...rng.integers(0, vocabulary, rng.integer(0, 1400))],
    seed: String(seedFrom(rng)),
    specialIds: isEsm ? [0, 1, 2, 3, 32] : [0, 1, 2, 3, 4],
    maskId: isEsm ? 32 : 1,
    randomTokens: [isEsm ? 0 : 5, vocabulary] as const,
    ...randomProbabilities(rng),
  };
}

function randomProteins(rng: NumpyGenerator) {
  const clusters = Array.from({ length: 40 }, (_, i) =>
    Array.from({ length: rng.integer(1, 9) }, (__, k) => `UniRef90_${i}_${k}`),
  );
  const letters = [...ESM_TOKENS.slice(4, 29), "<mask>", "a", " "];
  const proteins = Object.fromEntries(
    clusters.flat().map((id) => [id, randomText(rng, letters, 500)]),
  );
  return { proteins, clusters };
}

function randomItem(rng: NumpyGenerator, clusters: number) {
  const isAll = rng.integer(0, 2) === 0;
  const randomMaskStrategy: RandomMaskStrategy = isAll ? "all_tokens" : "amino_acids_only";
  return {
    seed: String(rng.integer(0, 2) === 0 ? rng.integer(0, 1000) : seedFrom(rng)),
    epoch: rng.integer(0, 50),
    idx: rng.integer(0, clusters),
    maxSeqLength: [1, 12, 100, 1024][rng.integer(0, 4)] as number,
    randomMaskStrategy,
    randomTokens: isAll ? ([0, 33] as const) : AMINO_ACID_IDS,
    ...randomProbabilities(rng),
  };
}

function arraysOf(masked: MaskedTokens): number[][] {
  return MASKED.map((name) => [...masked[name]]);
}

function differences<T>(
  expected: readonly unknown[] | undefined,
  cases: readonly T[],
  ours: (one: T) => unknown,
): string[] {
  if (expected?.length !== cases.length) return ["Python gave no answer"];
  const found: string[] = [];
  for (const [i, one] of cases.entries()) {
    const [theirs, mine] = [expected[i], ours(one)].map((value) => JSON.stringify(value));
    if (theirs === mine) continue;
    found.push(
      `${JSON.stringify(one).slice(0, 200)}: Python ${theirs?.slice(0, 200)}, we ${mine?.slice(0, 200)}`,
    );
  }
  return found;
}
