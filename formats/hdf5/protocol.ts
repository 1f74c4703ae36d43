import type { DType, NumericArray } from "../common/dtype.ts";
import type { ErrorMessage } from "../common/error-message.ts";
import type { FilterSpec } from "./filters.ts";
import type { DatasetStorage } from "./storage.ts";

/** What the elements of a dataset or attribute are. */
export type Hdf5Type =
  | { readonly kind: "number"; readonly dtype: DType }
  | { readonly kind: "boolean" }
  | { readonly kind: "string"; readonly variable: boolean }
  | { readonly kind: "compound"; readonly members: readonly CompoundMember[] }
  /** A small array of numbers in every element, row-major. */
  | { readonly kind: "array"; readonly dtype: DType; readonly dims: readonly number[] }
  | { readonly kind: "reference" }
  | { readonly kind: "other"; readonly description: string };

export interface CompoundMember {
  readonly name: string;
  readonly type: Hdf5Type;
}

/** Attribute values; lists are flat. A reference becomes the path it points to. */
export type AttributeValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | NumericArray
  | readonly string[]
  | { readonly target: string }
  | { readonly unreadable: string };

export interface DatasetInfo {
  readonly type: Hdf5Type;
  /** Null for HDF5's null dataspace, [] for a scalar. */
  readonly shape: readonly number[] | null;
  readonly chunk: readonly number[] | null;
  readonly filters: readonly FilterSpec[];
  /** Bytes of one element in memory, as h5wasm reads it. */
  readonly itemBytes: number;
}

export type NodeInfo =
  | {
      readonly kind: "group";
      readonly path: string;
      readonly attributes: Readonly<Record<string, AttributeValue>>;
      /** Names of the members, in creation order where the file keeps it, else by name. */
      readonly keys: readonly string[];
    }
  | {
      readonly kind: "dataset";
      readonly path: string;
      readonly attributes: Readonly<Record<string, AttributeValue>>;
      readonly dataset: DatasetInfo;
    }
  | { readonly kind: "link" | "datatype"; readonly path: string; readonly description: string };

/** A column of values as it crosses the thread boundary; arrays are transferred, not copied. */
export type Hdf5Values =
  /** For the `array` type all numbers of all elements, flat. */
  | { readonly kind: "number"; readonly dtype: DType; readonly values: NumericArray }
  /** 0 or 1 each. */
  | { readonly kind: "boolean"; readonly values: Uint8Array<ArrayBuffer> }
  /** UTF-8: value i is bytes[offsets[i], offsets[i + 1]). */
  | {
      readonly kind: "string";
      readonly offsets: Int32Array<ArrayBuffer>;
      readonly bytes: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly kind: "compound";
      readonly length: number;
      readonly fields: readonly { readonly name: string; readonly values: Hdf5Values }[];
    }
  | { readonly kind: "reference"; readonly paths: readonly string[] };

export type Hdf5Request =
  | { readonly op: "open"; readonly path: string }
  | { readonly op: "node"; readonly path: string }
  | {
      readonly op: "read";
      readonly path: string;
      /** Half-open range per axis; empty for a scalar. */
      readonly begin: readonly number[];
      readonly end: readonly number[];
      /** Only these members of a compound. */
      readonly fields: readonly string[] | null;
    }
  | { readonly op: "locate"; readonly path: string }
  | { readonly op: "close" };

export interface Hdf5Results {
  readonly open: null;
  readonly node: NodeInfo | null;
  readonly read: Hdf5Values;
  readonly locate: DatasetStorage | null;
  /** Bytes of the library's memory, which never shrinks. */
  readonly close: number;
}

export interface ErrorReport extends ErrorMessage {
  /** The worker's memory may be damaged: start a new one. */
  readonly fatal: boolean;
}

export type Hdf5Reply =
  | { readonly id: number; readonly result: Hdf5Results[Hdf5Request["op"]] }
  | { readonly id: number; readonly error: ErrorReport };

export type Numbered<R> = R & { readonly id: number };
