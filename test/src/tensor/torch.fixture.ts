/** The libtorch that tests use, or why there is none. */
import { type FoundLibtorch, findLibtorch } from "../../../src/tensor/torch/find-libtorch.ts";

function find(): FoundLibtorch | null {
  try {
    return findLibtorch();
  } catch {
    return null;
  }
}

export const LIBTORCH = find();

/** For `describe.skipIf`; the title says what to do. */
export const NO_LIBTORCH = LIBTORCH === null;
export const TITLE = NO_LIBTORCH
  ? "torch: no libtorch found, set LIBTORCH to a folder of PyTorch"
  : `torch ${LIBTORCH?.version}`;
