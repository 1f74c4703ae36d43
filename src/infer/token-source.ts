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
