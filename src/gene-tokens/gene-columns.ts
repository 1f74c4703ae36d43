import { NotFoundError } from "../../formats/common/errors.ts";
import type { GeneMedians } from "./gene-medians.ts";
import type { GeneVocabulary } from "./gene-vocabulary.ts";
import type { EnsemblMapping } from "./name-dictionary.ts";

/** What becomes of a stored value whose gene is not in the vocabulary. */
export type MissingGenes = "skip" | "error" | "unknown";

export interface GeneColumnsOptions {
  readonly vocabulary: GeneVocabulary;
  readonly medians: GeneMedians;
  readonly mapping: EnsemblMapping | null;
  readonly missingGenes: MissingGenes;
  /** Whether columns of one gene are summed. */
  readonly isMerging: boolean;
  /** Scales are 1 / median and not the median. */
  readonly isReciprocal: boolean;
}

/** In {@link GeneColumns.scale}: the column needs {@link GeneColumns.special}. */
export const IS_SPECIAL = Number.NaN;

/** What is known of each column of a data set: computed once, so that a value costs two look-ups. */
export interface GeneColumns {
  readonly genes: readonly string[];
  /** [columns] the token of the column's gene. */
  readonly token: Int32Array;
  /** [columns] the median of its gene or 1 / median; 0 to leave it out, NaN for {@link special}. */
  readonly scale: Float64Array;
  /** [columns] the number in {@link merged} that a special column adds to, or -1. */
  readonly special: Int32Array;
  /** Genes that several columns add up to, in the order in which they first appear. */
  readonly merged: { readonly token: Int32Array; readonly scale: Float64Array };
  /** Columns whose gene has a token. */
  readonly known: number;
}

/** Why a column of `special` -1 cannot be read, as an error to throw. */
export function columnError(columns: GeneColumns, column: number): NotFoundError {
  const gene = columns.genes[column] ?? "";
  const isUnknown = (columns.token[column] as number) < 0;
  const text = isUnknown
    ? `Provided gene identifier, ${gene}, is not in the tokenizer vocab.`
    : `the gene ${gene} is in the vocabulary and has no median`;
  return new NotFoundError(isUnknown ? "no-such-token" : "no-such-median", text, {
    what: gene,
    suggestions: isUnknown
      ? ['leave such genes out with missingGenes: "skip"']
      : ["use the medians that belong to the vocabulary"],
  });
}

/**
 * Finds the token and median of every column.
 * @throws NotFoundError "no-unknown-token" when missing genes should become a token that the
 *   vocabulary does not have.
 */
export function bindColumns(genes: readonly string[], options: GeneColumnsOptions): GeneColumns {
  const { vocabulary, medians, mapping, missingGenes, isReciprocal } = options;
  const ids = genes.map((gene) => targetGene(gene, vocabulary, mapping));
  const token = new Int32Array(genes.length).fill(-1);
  const scale = new Float64Array(genes.length);
  const special = new Int32Array(genes.length).fill(-1);
  const unknown = missingGenes === "unknown" ? unknownToken(vocabulary) : -1;
  let known = 0;
  ids.forEach((id, column) => {
    const found = id === null ? undefined : vocabulary.ids.get(id);
    if (id === null || found === undefined) {
      token[column] = unknown;
      // A gene that nothing is known of keeps its normalised value: a median of 1.
      if (unknown >= 0) scale[column] = 1;
      else if (missingGenes === "error") scale[column] = IS_SPECIAL;
      return;
    }
    known++;
    token[column] = found;
    const median = medians.get(id);
    if (median === undefined) scale[column] = IS_SPECIAL;
    else scale[column] = isReciprocal ? 1 / median : median;
  });
  const merged = options.isMerging
    ? mergeColumns(ids, token, scale, special)
    : { token: new Int32Array(0), scale: new Float64Array(0) };
  return { genes, token, scale, special, merged, known };
}

/** The gene of the vocabulary that a name stands for, or null. */
function targetGene(
  gene: string,
  vocabulary: GeneVocabulary,
  mapping: EnsemblMapping | null,
): string | null {
  const name = mapping === null ? gene : mapping.get(gene.toUpperCase());
  return name !== undefined && vocabulary.ids.has(name) ? name : null;
}

/** Points the columns of one gene to one sum. */
function mergeColumns(
  ids: readonly (string | null)[],
  token: Int32Array,
  scale: Float64Array,
  special: Int32Array,
): GeneColumns["merged"] {
  const first = new Map<string, number>();
  const slots = new Map<string, number>();
  const mergedToken: number[] = [];
  const mergedScale: number[] = [];
  const firsts: [number, string][] = [];
  ids.forEach((id, column) => {
    if (id === null || Number.isNaN(scale[column])) return;
    const before = first.get(id);
    if (before === undefined) first.set(id, column);
    else if (!slots.has(id)) {
      slots.set(id, -1);
      firsts.push([before, id]);
    }
  });
  firsts.sort(([a], [b]) => a - b);
  for (const [column, id] of firsts) {
    slots.set(id, mergedToken.length);
    mergedToken.push(token[column] as number);
    mergedScale.push(scale[column] as number);
  }
  ids.forEach((id, column) => {
    const slot = id === null ? undefined : slots.get(id);
    if (slot === undefined) return;
    special[column] = slot;
    scale[column] = IS_SPECIAL;
  });
  return { token: Int32Array.from(mergedToken), scale: Float64Array.from(mergedScale) };
}

function unknownToken(vocabulary: GeneVocabulary): number {
  const { unknown } = vocabulary.special;
  if (unknown !== null) return vocabulary.idOf(unknown);
  throw new NotFoundError(
    "no-unknown-token",
    `a vocabulary of layout ${vocabulary.layout} has no token for unknown genes`,
    { what: "unknown token", suggestions: ['use missingGenes "skip" or "error"'] },
  );
}
