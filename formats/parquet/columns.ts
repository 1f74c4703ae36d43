/**
 * Arrow columns brought into the types a feature index stores.
 *
 * The original goes through numpy and `pyarrow.array(values, from_pandas=True)`: categories become
 * their plain values, NaN becomes null, numbers keep their width. Text categories stay dictionary
 * encoded in memory, which parquet stores as plain strings; only the schema must not say otherwise.
 */
import {
  type Data,
  DataType,
  Dictionary,
  Field,
  Float32,
  Float64,
  type Int,
  Int16,
  Int32,
  Int64,
  List,
  makeData,
  Schema,
  Utf8,
  Vector,
  vectorFromArray,
} from "apache-arrow";
import { IncompatibleError, UnsupportedFeatureError } from "../common/errors.ts";

/** Of token ids, and of a model's outputs. */
const LISTS = new Set(["List<Int64>", "List<Int32>", "List<Float32>", "List<List<Float32>>"]);

/** The type a column has on disk, see the module comment. */
export function plainType(type: DataType, column: string): DataType {
  if (DataType.isDictionary(type)) return plainType(type.dictionary, column);
  if (DataType.isLargeUtf8(type)) return new Utf8();
  if (
    DataType.isUtf8(type) ||
    DataType.isInt(type) ||
    DataType.isFloat(type) ||
    DataType.isBool(type) ||
    DataType.isNull(type)
  ) {
    return type;
  }
  if (DataType.isList(type) && DataType.isUtf8(type.valueType)) {
    return new List(new Field("item", type.valueType, true));
  }
  if (LISTS.has(String(type))) return type;
  throw new UnsupportedFeatureError(
    "column type",
    `column ${JSON.stringify(column)}: a feature index cannot store type ${type}`,
    { suggestions: ["leave the column out"] },
  );
}

/** The schema on disk: plain types, every column nullable, no metadata. */
export function plainSchema(schema: Schema): Schema {
  return new Schema(
    schema.fields.map(({ name, type }) => new Field(name, plainType(type, String(name)), true)),
  );
}

/**
 * The type both columns fit in when their blocks are joined, as `numpy.concatenate` followed by
 * `pyarrow.array` would give.
 *
 * @throws IncompatibleError for text with numbers, which the original cannot save either.
 */
export function unifiedType(a: DataType, b: DataType, column: string): DataType {
  const left = plainType(a, column);
  const right = plainType(b, column);
  if (String(left) === String(right)) return left;
  if (DataType.isNull(left)) return afterNull(right);
  if (DataType.isNull(right)) return afterNull(left);
  const numeric = (type: DataType) =>
    DataType.isInt(type) || DataType.isFloat(type) || DataType.isBool(type);
  if (!numeric(left) || !numeric(right)) {
    throw new IncompatibleError(
      "column-type",
      `column ${JSON.stringify(column)} is ${left} in one data set and ${right} in another`,
      { suggestions: ["leave the column out, or store it with one type"] },
    );
  }
  return promoted(left, right);
}

/**
 * numpy joins None with numbers as Python objects, which pyarrow stores at full width: uint64 as
 * int64 when the values happen to fit, here always as uint64.
 */
function afterNull(type: DataType): DataType {
  if (DataType.isInt(type)) return type.isSigned || type.bitWidth < 64 ? new Int64() : type;
  return DataType.isFloat(type) ? new Float64() : type;
}

/** numpy.promote_types for booleans, integers and floats. */
function promoted(a: DataType, b: DataType): DataType {
  if (DataType.isBool(a)) return b;
  if (DataType.isBool(b)) return a;
  if (DataType.isFloat(a) && DataType.isFloat(b)) return a.precision >= b.precision ? a : b;
  if (DataType.isInt(a) && DataType.isInt(b)) return promotedIntegers(a, b);
  const float = DataType.isFloat(a) ? a : b;
  const int = DataType.isInt(a) ? a : b;
  if (!DataType.isFloat(float) || !DataType.isInt(int)) return new Float64();
  // float16 holds 8-bit integers, float32 16-bit ones; anything else needs float64.
  const needed = int.bitWidth === 8 ? 0 : int.bitWidth === 16 ? 1 : 2;
  const precision = Math.max(float.precision, needed);
  if (precision === float.precision) return float;
  return precision === 1 ? new Float32() : new Float64();
}

function promotedIntegers(a: Int, b: Int): DataType {
  if (a.isSigned === b.isSigned) return a.bitWidth >= b.bitWidth ? a : b;
  const signed = a.isSigned ? a : b;
  const unsigned = a.isSigned ? b : a;
  if (signed.bitWidth > unsigned.bitWidth) return signed;
  const bits = 2 * unsigned.bitWidth;
  if (bits > 64) return new Float64();
  return bits === 16 ? new Int16() : bits === 32 ? new Int32() : new Int64();
}

/**
 * A column of one batch as `target`: NaN as null, widened numbers, plain values of categories.
 * Text categories are returned as they are, see {@link sharedDictionary}.
 */
export function storedColumn(data: Data, target: DataType): Data {
  const { type } = data;
  if (DataType.isUtf8(target)) {
    const text = DataType.isDictionary(type) ? type.dictionary : type;
    if (DataType.isUtf8(text)) return data;
    return textColumn(data);
  }
  if (String(type) !== String(target)) return convertedColumn(data, target);
  return DataType.isFloat(type) ? withoutNaN(data) : data;
}

function textColumn(data: Data): Data {
  const values = Array.from(new Vector([data]), (value) => (value === null ? null : String(value)));
  const text = vectorFromArray(values, new Utf8()).data[0];
  return text ?? makeData({ type: new Utf8(), length: 0 });
}

/** Numbers, booleans and nulls one by one: only columns whose type changes come here. */
function convertedColumn(data: Data, target: DataType): Data {
  const source = new Vector([data]);
  const values = Array.from(source, (value: unknown) => {
    if (value === null || Number.isNaN(value)) return null;
    const wide = DataType.isInt(target) && target.bitWidth === 64;
    if (typeof value === "boolean")
      return DataType.isBool(target) ? value : wide ? BigInt(value) : Number(value);
    if (typeof value === "number") return wide ? BigInt(value) : value;
    if (typeof value === "bigint") return wide ? value : Number(value);
    throw new IncompatibleError("column-type", `a value of type ${data.type} is no ${target}`);
  });
  const converted = vectorFromArray(values, target).data[0];
  return converted ?? makeData({ type: target, length: 0 });
}

function withoutNaN(data: Data): Data {
  const { type, values, length } = data;
  if (!DataType.isFloat(type)) return data;
  const isNaNAt =
    values instanceof Uint16Array
      ? (i: number) => ((values[i] ?? 0) & 0x7fff) > 0x7c00
      : (i: number) => Number.isNaN(values[i]);
  let first = 0;
  while (first < length && !isNaNAt(first)) first++;
  if (first === length) return data;
  const bitmap = new Uint8Array(Math.ceil(length / 8));
  let nullCount = 0;
  for (let i = 0; i < length; i++) {
    if (isValid(data, i) && !isNaNAt(i)) bitmap[i >> 3] = (bitmap[i >> 3] ?? 0) | (1 << (i & 7));
    else nullCount++;
  }
  return makeData({ type, length, nullCount, nullBitmap: bitmap, data: values });
}

function isValid(data: Data, i: number): boolean {
  if (data.nullCount === 0) return true;
  const bit = data.offset + i;
  return (((data.nullBitmap[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1;
}

/**
 * Text columns of consecutive batches, brought to one encoding: all with one shared dictionary
 * when all are dictionary encoded, else all plain.
 */
export function sharedDictionary(columns: readonly Data[]): readonly Data[] {
  if (columns.every((data) => DataType.isUtf8(data.type))) return columns;
  if (!columns.every((data) => DataType.isDictionary(data.type))) {
    return columns.map((data) => (DataType.isUtf8(data.type) ? data : textColumn(data)));
  }
  const codes = new Map<string, number>();
  const remapped = columns.map((data) => remapCodes(data, codes));
  const dictionary = vectorFromArray([...codes.keys()], new Utf8());
  const type = new Dictionary(new Utf8(), new Int32());
  return remapped.map(({ indices, nullBitmap, nullCount }) =>
    makeData({ type, length: indices.length, nullCount, nullBitmap, data: indices, dictionary }),
  );
}

/** Indices into `codes`, which grows by the values used and not seen before. */
function remapCodes(data: Data, codes: Map<string, number>) {
  const { length, dictionary } = data;
  const indices = new Int32Array(length);
  const nullBitmap = new Uint8Array(Math.ceil(length / 8));
  // A map, as ids stored as categories have dictionaries far longer than a batch.
  const known = new Map<number, number>();
  let nullCount = 0;
  for (let i = 0; i < length; i++) {
    if (isValid(data, i)) {
      const code = Number(data.values[i]);
      let index = known.get(code);
      if (index === undefined) {
        index = codeOf(dictionary?.get(code), codes);
        known.set(code, index);
      }
      if (index >= 0) {
        indices[i] = index;
        nullBitmap[i >> 3] = (nullBitmap[i >> 3] ?? 0) | (1 << (i & 7));
        continue;
      }
    }
    nullCount++;
  }
  return { indices, nullBitmap, nullCount };
}

/** -1 for what is no text: a missing category, or a code past the dictionary. */
function codeOf(value: unknown, codes: Map<string, number>): number {
  if (typeof value !== "string") return -1;
  const known = codes.get(value);
  if (known !== undefined) return known;
  codes.set(value, codes.size);
  return codes.size - 1;
}
