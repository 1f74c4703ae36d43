import { UnsupportedFeatureError } from "../common/errors.ts";
import type { CsrBlock, RowBlockOptions } from "./csr-block.ts";
import type { SparseArrays } from "./sparse-arrays.ts";

// biome-ignore lint/correctness/useYield: filled in with the csc reader
export async function* cscRowBlocks(
  arrays: SparseArrays,
  _options: RowBlockOptions,
): AsyncGenerator<CsrBlock> {
  throw new UnsupportedFeatureError("csc", `${arrays.path} is csc`);
}
