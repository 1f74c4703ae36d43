import { InvalidArgumentError } from "../../../formats/common/errors.ts";

/** See `LoadWeightsOptions.vocabulary`. */
export type VocabularyRows = "same" | "common" | readonly number[];

interface Rows {
  readonly values: Float32Array;
  readonly rows: number;
}

/** The rows of `target`, with those of `source` in their place where it has them. */
export function copyRows(
  source: Rows & { readonly name: string },
  target: Rows,
  vocabulary: Exclude<VocabularyRows, "same">,
): { readonly data: Float32Array; readonly note: string } {
  const width = source.values.length / source.rows;
  const from =
    vocabulary === "common"
      ? Array.from({ length: target.rows }, (_, row) => (row < source.rows ? row : -1))
      : vocabulary;
  if (from.length !== target.rows) {
    throw new InvalidArgumentError(
      "vocabulary",
      from,
      `vocabulary has ${from.length} rows, the model ${target.rows} tokens`,
    );
  }
  const data = Float32Array.from(target.values);
  let kept = 0;
  for (const [row, old] of from.entries()) {
    if (old === -1) continue;
    if (!(Number.isInteger(old) && old >= 0 && old < source.rows)) {
      throw new InvalidArgumentError(
        "vocabulary",
        old,
        `vocabulary: token ${row} wants row ${old} of ${source.name}, which has ${source.rows}`,
      );
    }
    data.set(source.values.subarray(old * width, (old + 1) * width), row * width);
    kept++;
  }
  return { data, note: `${kept} of ${target.rows} rows from ${source.rows}` };
}

/**
 * The rows of an old vocabulary for the tokens of a new one: -1 for tokens that are new.
 * @param old tokens by id
 * @param wanted tokens by id
 */
export function vocabularyRows(old: readonly string[], wanted: readonly string[]): number[] {
  const ids = new Map(old.map((token, id) => [token, id]));
  return wanted.map((token) => ids.get(token) ?? -1);
}
