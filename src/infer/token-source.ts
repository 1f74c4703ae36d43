/** Sequences of tokens by row: proteins, cells. */
export interface TokenSource extends Disposable {
  /** Rows. */
  readonly length: number;
  /** The name of a row. */
  id(row: number): string;
  /** Tokens of a row, or a few more; read without making them. */
  mostTokens(row: number): number;
  /** The caller's. */
  tokens(row: number): Int32Array;
}

/** Rows, the first and the one behind the last. */
export interface RowRange {
  readonly begin: number;
  readonly end: number;
}

/** Of the longest of the rows. */
export function mostTokens(source: TokenSource, { begin, end }: RowRange): number {
  let longest = 0;
  for (let row = begin; row < end; row++) longest = Math.max(longest, source.mostTokens(row));
  return longest;
}
