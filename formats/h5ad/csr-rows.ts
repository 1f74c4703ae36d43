import { itemBytes } from "../common/dtype.ts";
import { type CsrBlock, DEFAULT_BLOCK_BYTES, type RowBlockOptions } from "./csr-block.ts";
import type { SparseArrays } from "./sparse-arrays.ts";

/** Row pointers looked at together: 512 KiB. */
const POINTER_ROWS = 65_536;

/** Streams a csr matrix: each value is read once, in the order of the file. */
export async function* csrRowBlocks(
  arrays: SparseArrays,
  options: RowBlockOptions,
): AsyncGenerator<CsrBlock> {
  const end = Math.min(arrays.nMajor, options.end ?? arrays.nMajor);
  const valueBytes = itemBytes(arrays.data.dtype) + 4;
  const limit = Math.max(1, Math.floor((options.blockBytes ?? DEFAULT_BLOCK_BYTES) / valueBytes));
  let row = Math.max(0, options.begin ?? 0);
  while (row < end) {
    const stop = Math.min(end, row + POINTER_ROWS);
    const pointers = await arrays.pointers(row, stop);
    const rows = stop - row;
    for (let first = 0; first < rows; ) {
      options.signal?.throwIfAborted();
      const from = pointers[first] as number;
      let last = first + 1;
      while (last < rows && (pointers[last + 1] as number) - from <= limit) last++;
      const to = pointers[last] as number;
      const indices = await arrays.minorIndices(from, to);
      const data = await arrays.data.read(from, to);
      const indptr = pointers.slice(first, last + 1);
      for (let i = 0; i < indptr.length; i++) indptr[i] = (indptr[i] as number) - from;
      yield { rowBegin: row + first, rowEnd: row + last, data, indices, indptr };
      first = last;
    }
    row = stop;
  }
}
