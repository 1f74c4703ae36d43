import type { CompoundTypeMetadata, Metadata, Module } from "h5wasm/node";
import { type DType, itemBytes, type NumericArray } from "../common/dtype.ts";
import { FormatError, UnsupportedFeatureError } from "../common/errors.ts";
import { numbersOf } from "../common/numbers.ts";
import { floatOf, integerOf } from "./datatype.ts";
import type { CompoundMember, Hdf5Type, Hdf5Values } from "./protocol.ts";
import { checkUtf8 } from "./text-reader.ts";

/** h5wasm's Emscripten module. */
export type H5Module = typeof Module;

/** HDF5's type classes (H5T_class_t). */
const INTEGER = 0;
const FLOAT = 1;
const STRING = 3;
const COMPOUND = 6;
const REFERENCE = 7;
const ENUM = 8;
const ARRAY = 10;

/** What h5wasm tells about a type, apart from where it is used. */
export type TypeMetadata = Pick<
  Metadata,
  | "type"
  | "size"
  | "signed"
  | "littleEndian"
  | "vlen"
  | "compound_type"
  | "enum_type"
  | "ref_type"
  | "array_type"
>;

export function describeType(metadata: TypeMetadata): Hdf5Type {
  switch (metadata.type) {
    case INTEGER: {
      const dtype = integerOf(metadata.size, metadata.signed);
      return dtype === null ? other(metadata) : { kind: "number", dtype };
    }
    case FLOAT: {
      const dtype = floatOf(metadata.size);
      return dtype === null ? other(metadata) : { kind: "number", dtype };
    }
    case STRING:
      return { kind: "string", variable: metadata.vlen };
    case ENUM: {
      const names = Object.keys(metadata.enum_type?.members ?? {});
      const isBoolean =
        metadata.size === 1 &&
        names.length === 2 &&
        names.includes("TRUE") &&
        names.includes("FALSE");
      if (isBoolean) return { kind: "boolean" };
      const dtype = integerOf(metadata.size, metadata.signed);
      return dtype === null ? other(metadata) : { kind: "number", dtype };
    }
    case COMPOUND:
      return { kind: "compound", members: membersOf(metadata.compound_type) };
    case ARRAY: {
      const base = metadata.array_type;
      const inner = base === undefined ? undefined : describeType(base);
      if (base === undefined || inner?.kind !== "number") return other(metadata);
      return { kind: "array", dtype: inner.dtype, dims: base.shape ?? [] };
    }
    case REFERENCE:
      return metadata.ref_type === "object" ? { kind: "reference" } : other(metadata);
    default:
      return other(metadata);
  }
}

function membersOf(compound: CompoundTypeMetadata | undefined): CompoundMember[] {
  return (compound?.members ?? []).map((member) => ({
    name: member.name,
    type: describeType(member),
  }));
}

function other(metadata: TypeMetadata): Hdf5Type {
  return {
    kind: "other",
    description: `HDF5 type class ${metadata.type} of ${metadata.size} bytes`,
  };
}

/** Elements laid out in wasm memory `stride` bytes apart, the first at `address`. */
export interface MemoryColumn {
  readonly module: H5Module;
  readonly fileId: bigint;
  readonly address: number;
  readonly stride: number;
  readonly count: number;
  /** For messages. */
  readonly path: string;
  /** Numbers still in the file's byte order (members of compounds are not converted). */
  readonly convertOrder: boolean;
}

/** Copies a column out of wasm memory into arrays of its own. */
export function takeColumn(
  column: MemoryColumn,
  metadata: TypeMetadata,
  fields: readonly string[] | null,
): Hdf5Values {
  const type = describeType(metadata);
  switch (type.kind) {
    case "number":
      return {
        kind: "number",
        dtype: type.dtype,
        values: takeNumbers(column, type.dtype, metadata.littleEndian),
      };
    case "boolean": {
      const values = new Uint8Array(column.count);
      const heap = column.module.HEAPU8;
      for (let i = 0; i < column.count; i++) {
        values[i] = heap[column.address + i * column.stride] === 0 ? 0 : 1;
      }
      return { kind: "boolean", values };
    }
    case "string":
      return metadata.vlen ? takeVariableStrings(column) : takeFixedStrings(column, metadata.size);
    case "compound": {
      const members = metadata.compound_type?.members ?? [];
      const wanted = members.filter(({ name }) => fields === null || fields.includes(name));
      return {
        kind: "compound",
        length: column.count,
        fields: wanted.map((member) => ({
          name: member.name,
          values: takeColumn(
            { ...column, address: column.address + member.offset, convertOrder: true },
            member,
            null,
          ),
        })),
      };
    }
    case "array": {
      const packed = pack(column, metadata.size);
      const littleEndian = metadata.array_type?.littleEndian ?? true;
      return {
        kind: "number",
        dtype: type.dtype,
        values: numbersOf(packed, type.dtype, littleEndian),
      };
    }
    case "reference":
      return { kind: "reference", paths: takeReferences(column, metadata.size) };
    case "other":
      throw new UnsupportedFeatureError(
        "hdf5-type",
        `${column.path}: ${type.description} is not read`,
      );
  }
}

/** The bytes of all elements, packed. */
function pack(column: MemoryColumn, bytes: number): Uint8Array<ArrayBuffer> {
  const { address, stride, count } = column;
  const heap: Uint8Array = column.module.HEAPU8;
  const packed = new Uint8Array(count * bytes);
  if (stride === bytes) {
    packed.set(heap.subarray(address, address + count * bytes));
    return packed;
  }
  for (let i = 0; i < count; i++) {
    const from = address + i * stride;
    for (let k = 0; k < bytes; k++) packed[i * bytes + k] = heap[from + k] as number;
  }
  return packed;
}

function takeNumbers(column: MemoryColumn, dtype: DType, littleEndian: boolean): NumericArray {
  const packed = pack(column, itemBytes(dtype));
  return numbersOf(packed, dtype, littleEndian || !column.convertOrder);
}

function takeFixedStrings(column: MemoryColumn, size: number): Hdf5Values {
  const heap = column.module.HEAPU8;
  const offsets = new Int32Array(column.count + 1);
  const bytes = new Uint8Array(column.count * size);
  let to = 0;
  for (let i = 0; i < column.count; i++) {
    const from = column.address + i * column.stride;
    let length = size;
    while (length > 0 && heap[from + length - 1] === 0) length--;
    bytes.set(heap.subarray(from, from + length), to);
    to += length;
    offsets[i + 1] = to;
  }
  const texts = to === bytes.length ? bytes : bytes.slice(0, to);
  checkUtf8(texts, column.path);
  return { kind: "string", offsets, bytes: texts };
}

/** Text of one read may not be larger than this; h5wasm's whole memory is 2 GiB. */
const MAX_TEXT_BYTES = 2 ** 30;

function takeVariableStrings(column: MemoryColumn): Hdf5Values {
  const heap: Uint8Array = column.module.HEAPU8;
  const memory = new DataView(heap.buffer, heap.byteOffset, heap.byteLength);
  const begins = new Uint32Array(column.count);
  const offsets = new Int32Array(column.count + 1);
  let total = 0;
  for (let i = 0; i < column.count; i++) {
    const pointer = memory.getUint32(column.address + i * column.stride, true);
    begins[i] = pointer;
    if (pointer !== 0) {
      const end = heap.indexOf(0, pointer);
      if (end < 0) throw new FormatError("bad-string", "a string without an end", column);
      total += end - pointer;
    }
    if (total > MAX_TEXT_BYTES) {
      throw new FormatError("bad-string", "more than 1 GiB of text in one block", column);
    }
    offsets[i + 1] = total;
  }
  const bytes = new Uint8Array(total);
  for (let i = 0; i < column.count; i++) {
    const from = begins[i] as number;
    const at = offsets[i] as number;
    const length = (offsets[i + 1] as number) - at;
    if (length > 0) bytes.set(heap.subarray(from, from + length), at);
  }
  checkUtf8(bytes, column.path);
  return { kind: "string", offsets, bytes };
}

function takeReferences(column: MemoryColumn, size: number): string[] {
  const heap = column.module.HEAPU8;
  const paths: string[] = [];
  for (let i = 0; i < column.count; i++) {
    const from = column.address + i * column.stride;
    const bytes = heap.slice(from, from + size);
    const isNull = bytes.every((byte) => byte === 0);
    paths.push(isNull ? "" : column.module.get_referenced_name(column.fileId, bytes, true));
  }
  return paths;
}
