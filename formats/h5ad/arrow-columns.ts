import * as arrow from "apache-arrow";
import type { DType, NumericArray } from "../common/dtype.ts";
import type { Hdf5Type, Hdf5Values } from "../hdf5/protocol.ts";

/** Arrow's name for a number type; float16 is held as float32, see formats/common/dtype. */
export function arrowNumber(dtype: DType): arrow.DataType {
  switch (dtype) {
    case "int8":
      return new arrow.Int8();
    case "int16":
      return new arrow.Int16();
    case "int32":
      return new arrow.Int32();
    case "int64":
      return new arrow.Int64();
    case "uint8":
      return new arrow.Uint8();
    case "uint16":
      return new arrow.Uint16();
    case "uint32":
      return new arrow.Uint32();
    case "uint64":
      return new arrow.Uint64();
    case "float16":
    case "float32":
      return new arrow.Float32();
    case "float64":
      return new arrow.Float64();
  }
}

/** The Arrow type of a plain column; null when there is none. */
export function arrowTypeOf(type: Hdf5Type): arrow.DataType | null {
  switch (type.kind) {
    case "number":
      return arrowNumber(type.dtype);
    case "boolean":
      return new arrow.Bool();
    case "string":
      return new arrow.Utf8();
    default:
      return null;
  }
}

/** One bit per row, 1 where a value is there; null when none is missing. */
export interface Validity {
  readonly bitmap: Uint8Array;
  readonly nullCount: number;
}

/** From a mask with 1 where a value is missing. */
export function validityOf(missing: ArrayLike<number>): Validity | null {
  let nullCount = 0;
  const bitmap = new Uint8Array(bitmapBytes(missing.length));
  for (let i = 0; i < missing.length; i++) {
    if (missing[i] === 0) bitmap[i >> 3] = (bitmap[i >> 3] as number) | (1 << (i & 7));
    else nullCount++;
  }
  return nullCount === 0 ? null : { bitmap, nullCount };
}

/** Arrow pads bitmaps to 8 bytes. */
function bitmapBytes(length: number): number {
  return ((length + 63) >> 6) << 3;
}

/**
 * A column as Arrow data; takes the arrays of `values` over.
 *
 * @returns null for values that have no Arrow type here (compounds, references)
 */
export function arrowData(values: Hdf5Values, validity: Validity | null): arrow.Data | null {
  switch (values.kind) {
    case "number":
      return numberData(arrowNumber(values.dtype), values.values, validity);
    case "boolean": {
      const bits = new Uint8Array(bitmapBytes(values.values.length));
      for (let i = 0; i < values.values.length; i++) {
        if (values.values[i] !== 0) bits[i >> 3] = (bits[i >> 3] as number) | (1 << (i & 7));
      }
      return build(new arrow.Bool(), values.values.length, validity, { data: bits });
    }
    case "string":
      return build(new arrow.Utf8(), values.offsets.length - 1, validity, {
        valueOffsets: values.offsets,
        data: values.bytes,
      });
    default:
      return null;
  }
}

export function numberData(
  type: arrow.DataType,
  values: NumericArray,
  validity: Validity | null,
): arrow.Data {
  return build(type, values.length, validity, { data: values });
}

export function dictionaryData(
  type: arrow.Dictionary,
  codes: Int32Array,
  dictionary: arrow.Vector,
  validity: Validity | null,
): arrow.Data {
  return build(type, codes.length, validity, { data: codes, dictionary });
}

function build(
  type: arrow.DataType,
  length: number,
  validity: Validity | null,
  buffers: object,
): arrow.Data {
  // makeData is overloaded per type; the callers above pair each type with its buffers.
  const make = arrow.makeData as (props: object) => arrow.Data;
  return make({
    type,
    length,
    nullCount: validity?.nullCount ?? 0,
    ...(validity === null ? {} : { nullBitmap: validity.bitmap }),
    ...buffers,
  });
}

/** Rows of one type from columns of equal length. */
export function recordBatch(
  schema: arrow.Schema,
  length: number,
  children: arrow.Data[],
): arrow.RecordBatch {
  const data = arrow.makeData({
    type: new arrow.Struct(schema.fields),
    length,
    nullCount: 0,
    children,
  });
  return new arrow.RecordBatch(schema, data);
}
