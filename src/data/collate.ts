import type { BatchInfo, CsrBatch, DenseBatch } from "./batch.ts";
import type { GatheredArrays } from "./batch-gatherer.ts";

/** A collate function that worker threads import; without workers the calling thread does. */
export interface CollateModule<T = unknown> {
  /** URL or absolute path of a module. */
  readonly module: URL | string;
  /** Name of the exported function `(batch: CsrBatch, options) => T | Promise<T>`. Default "default". */
  readonly name?: string;
  /** Second argument of the function; structured-cloned. */
  readonly options?: unknown;
  /** Never set: only tells the type of what the function returns. */
  readonly result?: T;
}

/**
 * What a loader makes of the rows of a batch: "csr" (default), "dense", a function of the CSR batch
 * that runs in the calling thread, or one in a module that runs in the workers.
 */
export type Collate<T = unknown> =
  | "csr"
  | "dense"
  | ((batch: CsrBatch) => T | Promise<T>)
  | CollateModule<T>;

/** What a loader with this collate yields. */
export type BatchOf<C> = C extends "csr"
  ? CsrBatch
  : C extends "dense"
    ? DenseBatch
    : C extends (batch: CsrBatch) => infer T
      ? Awaited<T>
      : C extends CollateModule<infer T>
        ? T
        : never;

export type CollateFunction = (batch: CsrBatch, options?: unknown) => unknown;

/** The batch as users see it, over arrays that may be longer. */
export function toBatch(
  info: BatchInfo,
  arrays: GatheredArrays,
  nVars: number,
): CsrBatch | DenseBatch {
  const { data, indices, indptr, rows, length } = arrays;
  const shape = [rows, nVars] as const;
  const used = data.length === length ? data : data.subarray(0, length);
  if (indices === null || indptr === null) return { ...info, data: used, shape };
  return {
    ...info,
    data: used,
    indices: indices.length === length ? indices : indices.subarray(0, length),
    indptr: indptr.length === rows + 1 ? indptr : indptr.subarray(0, rows + 1),
    shape,
  };
}
