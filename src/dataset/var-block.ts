import type { VarBlock } from "./dataset-archive.ts";

/**
 * The position of the block that holds a row, by bisection; -1 when none does.
 * @param blocks in row order, without gaps.
 */
export function findVarBlock(blocks: readonly VarBlock[], row: number): number {
  let low = 0;
  let high = blocks.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (row < (blocks[middle] as VarBlock).rowEnd) high = middle;
    else low = middle + 1;
  }
  const block = blocks[low];
  return block !== undefined && row >= block.rowBegin && row < block.rowEnd ? low : -1;
}
