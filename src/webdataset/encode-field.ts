/** Values to field bytes, by extension: the ones that decode-field.ts reads. */
import { gzipSync } from "node:zlib";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { shown } from "../../formats/common/options.ts";
import { type JsonValue, pythonJson } from "../../formats/common/python-json.ts";
import { encodeMsgpack } from "../../formats/msgpack/encode.ts";
import { type NdArray, npyParts } from "../../formats/npy/npy-array.ts";

type Encoder = (value: unknown, field: string) => Uint8Array | Parts;
/** Bytes that follow each other. */
export type Parts = readonly Uint8Array[];

const NPY_DTYPES = new Map<unknown, NdArray["dtype"]>([
  [Int8Array, "int8"],
  [Int16Array, "int16"],
  [Int32Array, "int32"],
  [BigInt64Array, "int64"],
  [Uint8Array, "uint8"],
  [Uint16Array, "uint16"],
  [Uint32Array, "uint32"],
  [BigUint64Array, "uint64"],
  [Float32Array, "float32"],
  [Float64Array, "float64"],
]);

/** How every .npy file begins: "NUMPY" after a byte that is no text. */
const NPY_MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

const ENCODERS: Readonly<Record<string, Encoder>> = {
  npy: encodeArray,
  json: encodeJson,
  jsn: encodeJson,
  mp: encodeMsgpack,
  msg: encodeMsgpack,
  msgpack: encodeMsgpack,
  cls: encodeNumber,
  cls2: encodeNumber,
  index: encodeNumber,
  inx: encodeNumber,
  id: encodeNumber,
};

/**
 * The bytes of a field. Bytes and text (as UTF-8) are stored as they are, whatever the extension;
 * `.npy` takes an NdArray or a typed array; `.json`, `.mp`, `.msg`, `.msgpack` take values; `.cls`,
 * `.id`, `.index` integers. A trailing ".gz" compresses. A Uint8Array is bytes also in `.npy`, which
 * must be those of a .npy file: give an NdArray to store an array of uint8.
 * @throws InvalidArgumentError for any other value.
 */
export function encodeField(field: string, value: unknown): Parts {
  const isZipped = field.endsWith(".gz");
  const name = isZipped ? field.slice(0, -3) : field;
  const encoded = encodeValue(name.slice(name.lastIndexOf(".") + 1), value, field);
  const parts = encoded instanceof Uint8Array ? [encoded] : encoded;
  return isZipped
    ? [gzipSync(parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts))]
    : parts;
}

function encodeValue(extension: string, value: unknown, field: string): Uint8Array | Parts {
  if (value instanceof Uint8Array) return checkedBytes(extension, value, field);
  if (typeof value === "string") return checkedText(extension, value, field);
  const encode = Object.hasOwn(ENCODERS, extension) ? ENCODERS[extension] : undefined;
  if (encode !== undefined) return encode(value, field);
  throw refused(field, value, "bytes or text");
}

/** Bytes are stored as they are; of those that could not be read back, arrays are noticed. */
function checkedBytes(extension: string, value: Uint8Array, field: string): Uint8Array {
  if (extension !== "npy" || NPY_MAGIC.every((byte, i) => value[i] === byte)) return value;
  throw refused(field, value, "the bytes of a .npy file, an NdArray or a typed array", [
    'for an array of uint8: { dtype: "uint8", shape: [length], data }',
  ]);
}

/** Text is stored as it is, in UTF-8, where it can be read back. */
function checkedText(extension: string, value: string, field: string): Uint8Array {
  const encode = Object.hasOwn(ENCODERS, extension) ? ENCODERS[extension] : undefined;
  if (encode === encodeArray) throw refused(field, value, "an NdArray or a typed array");
  if (encode === encodeNumber && !/^\s*[+-]?\d+\s*$/.test(value)) {
    throw refused(field, value, "an integer");
  }
  return Buffer.from(value, "utf8");
}

function encodeArray(value: unknown, field: string): Parts {
  if (isNdArray(value)) return npyParts(value);
  const arrayType: unknown = ArrayBuffer.isView(value) ? value.constructor : null;
  const dtype = NPY_DTYPES.get(arrayType);
  if (dtype === undefined || !ArrayBuffer.isView(value)) {
    throw refused(field, value, "an NdArray or a typed array");
  }
  // The table holds typed arrays of numbers only.
  const data = value as unknown as NdArray["data"];
  return npyParts({ dtype, shape: [data.length], data } as NdArray);
}

function isNdArray(value: unknown): value is NdArray {
  return typeof value === "object" && value !== null && "dtype" in value && "shape" in value;
}

function encodeJson(value: unknown, field: string): Uint8Array {
  assertJson(value, field, 0);
  return Buffer.from(pythonJson(value), "utf8");
}

const MAX_DEPTH = 500;

function assertJson(value: unknown, field: string, depth: number): asserts value is JsonValue {
  if (depth > MAX_DEPTH) throw refused(field, value, `at most ${MAX_DEPTH} levels`);
  if (value === null || typeof value === "boolean" || typeof value === "string") return;
  if (typeof value === "number") {
    if (Number.isFinite(value)) return;
    throw refused(field, value, "finite numbers, the only ones JSON has", [
      "write null, or the numbers as a field .npy or .msgpack",
    ]);
  }
  if (Array.isArray(value)) {
    for (const item of value) assertJson(item, field, depth + 1);
    return;
  }
  const prototype: unknown = typeof value === "object" ? Object.getPrototypeOf(value) : undefined;
  if (typeof value !== "object" || (prototype !== Object.prototype && prototype !== null)) {
    throw refused(field, value, "null, booleans, finite numbers, text, arrays and objects");
  }
  for (const item of Object.values(value)) assertJson(item, field, depth + 1);
}

function encodeNumber(value: unknown, field: string): Uint8Array {
  if (typeof value !== "bigint" && !Number.isSafeInteger(value)) {
    throw refused(field, value, "an integer");
  }
  return Buffer.from(String(value), "latin1");
}

function refused(
  field: string,
  value: unknown,
  expected: string,
  suggestions: readonly string[] = [],
): InvalidArgumentError {
  const message = `field "${field}": expected ${expected}, found ${shown(value).slice(0, 80)}`;
  return new InvalidArgumentError(field, value, message, { suggestions });
}
