/** Tensors as a safetensors file stores them: element types, shapes, raw arrays. */
import { InvalidArgumentError } from "../common/errors.ts";

/** Typed arrays by element type; F16 and BF16 are raw bit patterns, BOOL is 0 or 1. */
export interface StoredArrays {
  F64: Float64Array;
  F32: Float32Array;
  F16: Uint16Array;
  BF16: Uint16Array;
  I64: BigInt64Array;
  I32: Int32Array;
  I16: Int16Array;
  I8: Int8Array;
  U64: BigUint64Array;
  U32: Uint32Array;
  U16: Uint16Array;
  U8: Uint8Array;
  BOOL: Uint8Array;
}

/** Element types that are read and written, in the format's names. */
export type StoredDType = keyof StoredArrays;

/** One tensor, row-major; `data` has as many elements as the product of `shape` (1 for `[]`). */
export type StoredTensor = {
  [D in StoredDType]: {
    readonly dtype: D;
    readonly shape: readonly number[];
    readonly data: StoredArrays[D];
  };
}[StoredDType];

interface Element {
  readonly bits: number;
  readonly array: (new (buffer: ArrayBuffer) => StoredTensor["data"]) | null;
}

/**
 * The format's types in the order in which the Python library lays tensors out. Those without an
 * array are checked and listed, and their bytes can be copied.
 */
const ELEMENTS: Readonly<Record<string, Element>> = {
  U64: { bits: 64, array: BigUint64Array },
  I64: { bits: 64, array: BigInt64Array },
  F64: { bits: 64, array: Float64Array },
  C64: { bits: 64, array: null },
  F32: { bits: 32, array: Float32Array },
  U32: { bits: 32, array: Uint32Array },
  I32: { bits: 32, array: Int32Array },
  BF16: { bits: 16, array: Uint16Array },
  F16: { bits: 16, array: Uint16Array },
  U16: { bits: 16, array: Uint16Array },
  I16: { bits: 16, array: Int16Array },
  F8_E5M2FNUZ: { bits: 8, array: null },
  F8_E4M3FNUZ: { bits: 8, array: null },
  F8_E8M0: { bits: 8, array: null },
  F8_E4M3: { bits: 8, array: null },
  F8_E5M2: { bits: 8, array: null },
  I8: { bits: 8, array: Int8Array },
  U8: { bits: 8, array: Uint8Array },
  F6_E3M2: { bits: 6, array: null },
  F6_E2M3: { bits: 6, array: null },
  F4: { bits: 4, array: null },
  BOOL: { bits: 8, array: Uint8Array },
};

const ORDER: ReadonlyMap<string, number> = new Map(
  Object.keys(ELEMENTS).map((dtype, rank) => [dtype, rank]),
);

/** Bits of one element; undefined for a name that is no element type of the format. */
export function elementBits(dtype: string): number | undefined {
  return Object.hasOwn(ELEMENTS, dtype) ? ELEMENTS[dtype]?.bits : undefined;
}

/** Every element type of the format. */
export const FORMAT_DTYPES: readonly string[] = Object.keys(ELEMENTS);

export function isStoredDType(dtype: string): dtype is StoredDType {
  return Object.hasOwn(ELEMENTS, dtype) && ELEMENTS[dtype]?.array !== null;
}

/** Position of a type in the order of the file. */
export function layoutRank(dtype: string): number {
  return ORDER.get(dtype) ?? ORDER.size;
}

/** A tensor over `buffer`, which it owns from now on and which holds exactly its elements. */
export function tensorOver(
  dtype: StoredDType,
  shape: readonly number[],
  buffer: ArrayBuffer,
): StoredTensor {
  const Over = ELEMENTS[dtype]?.array;
  if (Over === null || Over === undefined) throw new TypeError(`${dtype} has no array`);
  // The table pairs each type with its array, which the type system cannot follow.
  return { dtype, shape, data: new Over(buffer) } as StoredTensor;
}

/** @throws InvalidArgumentError when type, shape and data do not belong together. */
export function assertTensor(name: string, tensor: StoredTensor): void {
  const { dtype, shape, data } = tensor;
  const fail = (message: string): never => {
    throw new InvalidArgumentError("tensors", name, `tensor ${JSON.stringify(name)}: ${message}`);
  };
  const array = isStoredDType(dtype) ? ELEMENTS[dtype]?.array : null;
  if (array === null || array === undefined) fail(`dtype ${String(dtype)} cannot be written`);
  else if (!(data instanceof array)) {
    fail(`expected ${array.name} for ${dtype}, found ${Object(data)?.constructor?.name}`);
  }
  let elements = 1;
  for (const side of shape) {
    if (!Number.isSafeInteger(side) || side < 0) fail(`shape [${shape}] is none`);
    elements *= side;
  }
  if (elements !== data.length) {
    fail(`shape [${shape}] holds ${elements} elements, found ${data.length}`);
  }
}
