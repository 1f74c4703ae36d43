/** The input that the original does not convert, row by row of docs/format-and-divergences.md. */

export interface MatrixDescription {
  readonly name: string;
  readonly kind: "csr" | "csc" | "dense";
  readonly shape: readonly [nObs: number, nVars: number];
  /** null for a dense matrix. */
  readonly nnz: number | null;
  /** Whether scipy can hold the stored numbers: this machine's byte order, no float16. */
  readonly isNative: boolean;
}

export interface Refusal {
  /** The row of the table of divergences. */
  readonly row: number;
  /** How the error begins, with its Python class. */
  readonly error: string;
}

/** How the original must refuse a matrix; null when it must convert it. In the order it checks. */
export function expectedRefusal(matrix: MatrixDescription): Refusal | null {
  const [nObs, nVars] = matrix.shape;
  if (!matrix.isNative)
    return { row: 18, error: "ValueError: scipy.sparse does not support dtype" };
  if (matrix.kind === "dense") {
    return {
      row: 2,
      error: "NotImplementedError: Error: dense matrix loading not yet implemented.",
    };
  }
  if (nVars === 0) return { row: 3, error: "ValueError: Negative numbers can't be unsigned." };
  if (matrix.nnz === 0) return { row: 3, error: "ValueError: n_elements is set to 0." };
  if (matrix.kind === "csc" && nObs !== nVars) {
    return { row: 1, error: "ValueError: could not broadcast input array" };
  }
  return null;
}
