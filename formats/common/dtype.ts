/**
 * Element types of arrays on disk and the typed arrays they become in memory.
 *
 * float16 has no typed array in Node 22, so it is read as Float32Array (exact: every float16 is a
 * float32) and only its on-disk form is 2 bytes wide.
 */

/** numpy's names. */
export type DType =
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "float16"
  | "float32"
  | "float64";

/** The seven types an SCDL archive may hold, narrowest first inside each family. */
export const SCDL_UNSIGNED = ["uint8", "uint16", "uint32", "uint64"] as const;
export const SCDL_FLOAT = ["float16", "float32", "float64"] as const;
export const SCDL_DTYPES = [...SCDL_UNSIGNED, ...SCDL_FLOAT] as const;
export type UnsignedDType = (typeof SCDL_UNSIGNED)[number];
export type FloatDType = (typeof SCDL_FLOAT)[number];
export type ScdlDType = (typeof SCDL_DTYPES)[number];

export interface TypedArrays {
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  /** Widened: see the module comment. */
  float16: Float32Array;
  float32: Float32Array;
  float64: Float64Array;
}
export type TypedArrayOf<D extends DType> = TypedArrays[D];
/** Every typed array that holds elements of some {@link DType}. */
export type NumericArray = TypedArrays[DType];
/** Column numbers and row pointers narrow enough for plain numbers. */
export type IndexArray = Uint8Array | Uint16Array | Uint32Array;

const ITEM_BYTES: Readonly<Record<DType, 1 | 2 | 4 | 8>> = {
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  float16: 2,
  float32: 4,
  float64: 8,
};

/** Bytes of one element on disk. */
export function itemBytes(dtype: DType): 1 | 2 | 4 | 8 {
  return ITEM_BYTES[dtype];
}

export function isScdlDType(name: string): name is ScdlDType {
  return (SCDL_DTYPES as readonly string[]).includes(name);
}

export function isFloat(dtype: DType): dtype is FloatDType {
  return dtype === "float16" || dtype === "float32" || dtype === "float64";
}

/** The smallest unsigned type that holds `value`, as the SCDL writer chooses row and column types. */
export function smallestUnsigned(value: number): UnsignedDType {
  if (value <= 0xff) return "uint8";
  if (value <= 0xffff) return "uint16";
  if (value <= 0xffff_ffff) return "uint32";
  return "uint64";
}

/** The wider of two types of one family (both unsigned or both float), as `concat` needs it. */
export function widest<D extends UnsignedDType | FloatDType>(a: D, b: D): D {
  return itemBytes(a) >= itemBytes(b) ? a : b;
}

const CONSTRUCTORS: { readonly [D in DType]: new (length: number) => TypedArrays[D] } = {
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float16: Float32Array,
  float32: Float32Array,
  float64: Float64Array,
};

/** A zero-filled array for `length` elements of `dtype` in memory. */
export function allocate<D extends DType>(dtype: D, length: number): TypedArrayOf<D> {
  return new CONSTRUCTORS[dtype](length);
}
