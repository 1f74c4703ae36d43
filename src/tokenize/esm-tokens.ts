/** The 33 tokens of ESM-2; the place of a token is its id. */
export const ESM_TOKENS: readonly string[] = [
  "<cls>",
  "<pad>",
  "<eos>",
  "<unk>",
  ..."LAGVSERTIDPKQNFYMHWCXBUZO.-",
  "<null_1>",
  "<mask>",
];

/** Ids of the 20 amino acids, low to high - 1: what `amino_acids_only` draws from. */
export const AMINO_ACID_IDS: readonly [low: number, high: number] = [4, 24];
