import { allocate, type DType, itemBytes, type NumericArray } from "./dtype.ts";
import { float16ToFloat32 } from "./float16.ts";

/**
 * Raw little- or big-endian elements in native order: a view of `bytes`, which are swapped in place,
 * or for float16 new float32 values. `bytes` must begin at a multiple of the element size.
 */
export function numbersOf(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: DType,
  littleEndian: boolean,
): NumericArray {
  const size = itemBytes(dtype);
  if (!littleEndian) reverseElements(bytes, size);
  const count = Math.floor(bytes.byteLength / size);
  if (dtype === "float16") {
    const values = new Float32Array(count);
    float16ToFloat32(new Uint16Array(bytes.buffer, bytes.byteOffset, count), values);
    return values;
  }
  const values = allocate(dtype, 0);
  // The constructor of the empty array is the one for this dtype, so its view has that type.
  const View = values.constructor as new (
    buffer: ArrayBuffer,
    byteOffset: number,
    length: number,
  ) => NumericArray;
  return new View(bytes.buffer, bytes.byteOffset, count);
}

/** Swaps the byte order of every element in place. */
export function reverseElements(bytes: Uint8Array, size: number): void {
  if (size === 2) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).swap16();
  else if (size === 4) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).swap32();
  else if (size === 8) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).swap64();
}
