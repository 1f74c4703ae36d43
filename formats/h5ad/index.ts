/** AnnData and 10x Genomics files: matrices in bounded memory, annotations as Arrow. */
export type { AxisEntry } from "./axis-arrays.ts";
export type { CsrBlock, RowBlockOptions } from "./csr-block.ts";
export type {
  CategoricalValues,
  Element,
  ElementMap,
  NullableValues,
  NumberTensor,
  RecordTensor,
  Scalar,
  TextTensor,
  UnreadElement,
} from "./element.ts";
export { type FrameBatches, type FrameColumn, type FrameRange, FrameReader } from "./frame.ts";
export { H5adFile, type H5adOpenOptions, type RawReader } from "./h5ad-file.ts";
export { MatrixReader } from "./matrix.ts";
