import type { DType } from "../common/dtype.ts";
import type { FilterSpec } from "./filters.ts";

/** Chunks of a dataset, sorted by position (last axis fastest) and covering it without gaps. */
export interface ChunkedLayout {
  readonly kind: "chunked";
  /** Elements of a chunk along each axis; the last chunk along an axis may reach past the end. */
  readonly chunk: readonly number[];
  readonly filters: readonly FilterSpec[];
  /** First element of every chunk, one array per axis. */
  readonly begins: readonly Float64Array[];
  /** Byte offset in the file. */
  readonly addresses: Float64Array;
  /** Stored (filtered) bytes. */
  readonly sizes: Uint32Array;
  /** Bit i: filter i was skipped. */
  readonly masks: Uint32Array;
}

export type DatasetLayout =
  | { readonly kind: "contiguous"; readonly address: number }
  | ChunkedLayout
  | { readonly kind: "opaque"; readonly reason: string };

/** Where the bytes of a number dataset lie in the file. */
export interface DatasetStorage {
  readonly dtype: DType;
  readonly littleEndian: boolean;
  readonly shape: readonly number[];
  readonly layout: DatasetLayout;
}

/** {@link DatasetStorage} of a one-dimensional array. */
export interface ArrayStorage {
  readonly dtype: DType;
  readonly littleEndian: boolean;
  readonly length: number;
  readonly layout:
    | { readonly kind: "contiguous"; readonly address: number }
    | {
        readonly kind: "chunked";
        readonly chunkLength: number;
        readonly filters: readonly FilterSpec[];
        /** First element of every chunk, ascending; the chunks cover [0, length). */
        readonly begins: Float64Array;
        readonly addresses: Float64Array;
        readonly sizes: Uint32Array;
        readonly masks: Uint32Array;
      }
    | { readonly kind: "opaque"; readonly reason: string };
}

/** The one-dimensional form of `storage`, whose shape must have one axis. */
export function asArrayStorage(storage: DatasetStorage): ArrayStorage {
  const { dtype, littleEndian, shape, layout } = storage;
  const length = shape[0] ?? 0;
  if (layout.kind !== "chunked") return { dtype, littleEndian, length, layout };
  return {
    dtype,
    littleEndian,
    length,
    layout: {
      kind: "chunked",
      chunkLength: layout.chunk[0] ?? 0,
      filters: layout.filters,
      begins: layout.begins[0] ?? new Float64Array(0),
      addresses: layout.addresses,
      sizes: layout.sizes,
      masks: layout.masks,
    },
  };
}
