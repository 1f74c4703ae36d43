import type { CsrMatrix } from "../../formats/csr/csr-matrix.ts";

/** One row as a matrix with its columns in order and repeated ones summed, as scipy makes them. */
export function sortedRow(block: CsrMatrix, begin: number, end: number): CsrMatrix {
  const sums = new Map<number, number>();
  for (let k = begin; k < end; k++) {
    const column = block.indices[k] as number;
    sums.set(column, (sums.get(column) ?? 0) + Number(block.data[k]));
  }
  const columns = [...sums.keys()].sort((a, b) => a - b);
  return {
    data: Float64Array.from(columns, (column) => sums.get(column) ?? 0),
    indices: Uint32Array.from(columns),
    indptr: Float64Array.of(0, columns.length),
    shape: [1, block.shape[1]],
  };
}
