/**
 * `.npy` files as arrays of any shape: the fields of a training sample.
 *
 * Written byte for byte as `numpy.save` writes them, versions 1 to 3 read. Object arrays are pickles
 * and are refused; structured, complex, date and wide-float types are named in the error.
 */
import {
  allocate,
  type DType,
  itemBytes,
  type NumericArray,
  type TypedArrayOf,
} from "../common/dtype.ts";
import { FormatError, InvalidArgumentError, UnsupportedFeatureError } from "../common/errors.ts";
import { float16ToFloat32, toFloat16Bits } from "../common/float16.ts";
import { npyFile, parseNpyHeader } from "./npy.ts";

/** An array of numbers; `bool` is 0 and 1 in a Uint8Array, float16 is widened to Float32Array. */
export interface NdArray<D extends DType | "bool" = DType | "bool"> {
  readonly dtype: D;
  /** Axis lengths, [] for a single value. */
  readonly shape: readonly number[];
  /** Row-major (C order), product of `shape` elements. */
  readonly data: D extends DType ? TypedArrayOf<D> : Uint8Array;
}

/** An array of text. */
export interface TextArray {
  readonly dtype: "str";
  readonly shape: readonly number[];
  readonly data: readonly string[];
}

const DTYPES: Readonly<Record<string, DType | "bool">> = {
  b1: "bool",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  f2: "float16",
  f4: "float32",
  f8: "float64",
};
const DESCRIPTORS = new Map(
  Object.entries(DTYPES).map(([code, dtype]) => [
    dtype,
    `${code.endsWith("1") ? "|" : "<"}${code}`,
  ]),
);

const MAX_EMPTY_TEXTS = 2 ** 20;

interface ElementLayout {
  readonly dtype: DType | "bool" | "str";
  readonly itemBytes: number;
  /** Text of 4-byte code points; otherwise of ASCII bytes. */
  readonly unicode: boolean;
  readonly little: boolean;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  readonly length: number;
}

interface Layout extends ElementLayout {
  readonly header: Uint8Array;
  readonly dataOffset: number;
}

/** The header decoded last: the samples of a data set usually share theirs. */
let last: Layout | null = null;
/** The header written last. */
let lastHeader: { descr: string; shape: string; bytes: Uint8Array } | null = null;

/**
 * Decodes a whole file. Where it can the result is a view of `bytes`, so hand over memory that is
 * yours: aligned little-endian C-order numbers other than float16.
 * @throws FormatError for damage; UnsupportedFeatureError for object arrays and types that have no
 *   typed array.
 */
export function decodeNpyArray(bytes: Uint8Array<ArrayBuffer>, path: string): NdArray | TextArray {
  if (last === null || !startsWith(bytes, last.header)) last = readLayout(bytes, path);
  const layout = last;
  return fromElements(bytes.subarray(layout.dataOffset), layout, path);
}

/**
 * An array from its element bytes alone, as a pickle stores it; a view of them where it can be.
 * @param descr numpy's type code with its byte order, e.g. "<f4"
 * @throws as {@link decodeNpyArray}
 */
export function decodeElements(
  body: Uint8Array<ArrayBuffer>,
  descr: string,
  shape: readonly number[],
  fortranOrder: boolean,
  path: string,
): NdArray | TextArray {
  return fromElements(body, layoutOf(descr, shape, fortranOrder, path), path);
}

function fromElements(
  body: Uint8Array<ArrayBuffer>,
  layout: ElementLayout,
  path: string,
): NdArray | TextArray {
  const { shape } = layout;
  const needed = layout.length * layout.itemBytes;
  if (body.byteLength !== needed) {
    const code = body.byteLength < needed ? "truncated" : "trailing-data";
    const message = `expected ${needed} bytes of data for shape (${shape.join(", ")}), found ${body.byteLength}`;
    throw new FormatError(code, message, { path });
  }
  if (layout.dtype === "str") return { dtype: "str", shape, data: texts(body, layout, path) };
  const stored = elements(body, layout);
  const data = layout.fortranOrder && shape.length > 1 ? toRowMajor(stored, shape) : stored;
  // The array was made for that dtype.
  return { dtype: layout.dtype, shape, data } as NdArray;
}

/** `numpy.save` of an array. @throws InvalidArgumentError when shape and data disagree. */
export function encodeNpyArray(array: NdArray): Uint8Array<ArrayBuffer> {
  const [header, body] = npyParts(array);
  const file = new Uint8Array(header.byteLength + body.byteLength);
  file.set(header);
  file.set(body, header.byteLength);
  return file;
}

/**
 * The same in two parts, without a copy: the second is the array's own memory where it can be.
 * @throws as {@link encodeNpyArray}
 */
export function npyParts(array: NdArray): readonly [header: Uint8Array, body: Uint8Array] {
  const { dtype, shape, data } = array;
  const length = shape.reduce((product, axis) => product * axis, 1);
  const descr = DESCRIPTORS.get(dtype);
  if (descr === undefined || length !== data.length) {
    throw new InvalidArgumentError(
      "array",
      array,
      `expected a dtype of numbers and ${length} values for shape (${shape.join(", ")}), found ${dtype} and ${data.length}`,
    );
  }
  const text = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  if (lastHeader?.descr !== descr || lastHeader.shape !== text) {
    lastHeader = { descr, shape: text, bytes: npyFile(descr, text, shape[0], new Uint8Array(0)) };
  }
  return [lastHeader.bytes, littleEndian(dtype, data)];
}

/** The bytes before the elements of an array. @throws InvalidArgumentError for a dtype without code */
export function npyHeader(dtype: DType | "bool", shape: readonly number[]): Uint8Array {
  const descr = DESCRIPTORS.get(dtype);
  if (descr === undefined) {
    throw new InvalidArgumentError("dtype", dtype, `numpy has no code for ${dtype}`);
  }
  const text = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  return npyFile(descr, text, shape[0], new Uint8Array(0));
}

/** Raw element bytes of an array in little-endian order. */
function littleEndian(dtype: DType | "bool", data: NumericArray): Uint8Array {
  if (dtype !== "float16") return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const bits = new Uint16Array(data.length);
  for (let i = 0; i < bits.length; i++) bits[i] = toFloat16Bits(data[i] as number);
  return new Uint8Array(bits.buffer);
}

function startsWith(bytes: Uint8Array, header: Uint8Array): boolean {
  if (bytes.byteLength < header.byteLength) return false;
  for (let i = 0; i < header.byteLength; i++) if (bytes[i] !== header[i]) return false;
  return true;
}

function readLayout(bytes: Uint8Array, path: string): Layout {
  const { descr, shape, fortranOrder, dataOffset } = parseNpyHeader(bytes, path);
  const layout = layoutOf(descr, shape, fortranOrder, path);
  return { ...layout, header: bytes.slice(0, dataOffset), dataOffset };
}

function layoutOf(
  descr: string,
  shape: readonly number[],
  fortranOrder: boolean,
  path: string,
): ElementLayout {
  const [, order, code = "", digits = ""] = /^([<>|=])([A-Za-z])(\d{0,9})$/.exec(descr) ?? [];
  const length = shape.reduce((product, axis) => product * axis, 1);
  const isText = code === "U" || code === "S";
  // Text of no width needs no bytes, so only this bounds how many there are.
  const most = isText && Number(digits) === 0 ? MAX_EMPTY_TEXTS : Number.MAX_SAFE_INTEGER;
  if (!(length <= most)) {
    throw new FormatError(
      "count-out-of-range",
      `expected at most ${most} elements of ${descr}, found shape (${shape.join(", ")})`,
      { path },
    );
  }
  const dtype = isText ? "str" : DTYPES[`${code}${digits}`];
  if (dtype === undefined) throw unsupported(descr, path);
  return {
    dtype,
    itemBytes: Number(digits) * (code === "U" ? 4 : 1),
    unicode: code === "U",
    little: order !== ">",
    fortranOrder,
    shape: Object.freeze(shape),
    length,
  };
}

function unsupported(descr: string, path: string): UnsupportedFeatureError {
  const feature = descr.includes("O") ? "npy object array" : "npy dtype";
  const why =
    feature === "npy dtype"
      ? `dtype ${descr} has no typed array`
      : "an array of Python objects is a pickle, which runs code when it is loaded";
  return new UnsupportedFeatureError(feature, `${path}: ${why}`, {
    suggestions: ["store numbers (int8 to int64, float16 to float64, bool) or fixed-width text"],
  });
}

function elements(body: Uint8Array<ArrayBuffer>, layout: ElementLayout): NumericArray {
  const { length } = layout;
  const dtype = layout.dtype === "bool" ? "uint8" : (layout.dtype as DType);
  const width = itemBytes(dtype);
  const swapped = !layout.little && width > 1;
  const aligned = body.byteOffset % width === 0;
  // A copy of its own where bytes must move: the caller's memory is never changed.
  const own = swapped || !aligned ? body.slice() : body;
  if (swapped) swapBytes(own, width);
  if (dtype === "float16") {
    const widened = new Float32Array(length);
    float16ToFloat32(new Uint16Array(own.buffer, own.byteOffset, length), widened);
    return widened;
  }
  // Every array type takes a buffer; the union of constructors is not callable as such.
  const ArrayType = allocate(dtype, 0).constructor as Uint8ArrayConstructor;
  return new ArrayType(own.buffer, own.byteOffset, length);
}

function swapBytes(bytes: Uint8Array<ArrayBuffer>, width: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
  else buffer.swap64();
}

/** Fortran order has the first axis running fastest. */
function toRowMajor(stored: NumericArray, shape: readonly number[]): NumericArray {
  const ordered = stored.slice();
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((a, b) => a * b, 1));
  const at = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let i = 0; i < ordered.length; i++) {
    ordered[i] = stored[from] as never;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] as number;
      from += stride;
      at[axis] = (at[axis] as number) + 1;
      if ((at[axis] as number) < (shape[axis] as number)) break;
      from -= stride * (shape[axis] as number);
      at[axis] = 0;
    }
  }
  return ordered;
}

function texts(body: Uint8Array, layout: ElementLayout, path: string): string[] {
  const { length, itemBytes: width, little, shape } = layout;
  const wide = layout.unicode;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const values: string[] = [];
  for (let row = 0; row < length; row++) {
    const points: number[] = [];
    const begin = row * width;
    for (let at = begin; at < begin + width; at += wide ? 4 : 1) {
      const point = wide ? view.getUint32(at, little) : view.getUint8(at);
      if (point > 0x10_ffff || (!wide && point > 0x7f)) {
        throw new FormatError("bad-text", `expected a character, found ${point}`, { path });
      }
      points.push(point);
    }
    while (points.at(-1) === 0) points.pop();
    values.push(points.map((point) => String.fromCodePoint(point)).join(""));
  }
  if (!layout.fortranOrder || shape.length < 2) return values;
  const order = toRowMajor(Float64Array.from(values.keys()), shape);
  return Array.from(order as Float64Array, (i) => values[i] as string);
}
