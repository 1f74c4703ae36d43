import { aFunction, either, type OptionKind, oneOf } from "../../formats/common/options.ts";
import type { MatrixData } from "../../formats/csr/csr-matrix.ts";
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

const aModule: OptionKind = {
  expected: "{ module: URL or absolute path }",
  takes: (value) => typeof value === "object" && value !== null && "module" in value,
};

export const COLLATE_KIND = either(oneOf("csr", "dense"), aFunction, aModule);

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
  const { data, indices, indptr, length } = arrays;
  const rows = info.rows.length;
  const hasNext = info.nextRows !== null;
  const shape = [rows, nVars] as const;
  if (indices === null || indptr === null) {
    const end = rows * nVars;
    const next = hasNext ? { data: part(data, end, length), shape } : null;
    return { ...info, data: part(data, 0, end), shape, next };
  }
  const end = hasNext ? (indptr[rows] as number) : length;
  const next = hasNext
    ? {
        data: part(data, end, length),
        indices: part(indices, end, length),
        indptr: indptr.slice(rows, 2 * rows + 1).map((at) => at - end),
        shape,
      }
    : null;
  return {
    ...info,
    data: part(data, 0, end),
    indices: part(indices, 0, end),
    indptr: part(indptr, 0, rows + 1),
    shape,
    next,
  };
}

function part<A extends MatrixData>(array: A, begin: number, end: number): A {
  // A part of an array is one of the same class.
  return begin === 0 && end === array.length ? array : (array.subarray(begin, end) as A);
}
