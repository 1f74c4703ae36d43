/**
 * Which types the array files have.
 *
 * The header says so, but objects that the original loaded, cast or concatenated wrote their old
 * header back, and data sets before scdl 0.1 have none. So the header's word is checked against the
 * file sizes, and where they disagree the types follow from the sizes: the row count from the
 * feature index gives the width of a row pointer, the last row pointer gives the number of values,
 * and that gives the other widths. Section "Legacy data sets" of SPEC.md.
 */
import { FileSource } from "../bytes/file-source.ts";
import {
  isFloat,
  itemBytes,
  SCDL_UNSIGNED,
  type ScdlDType,
  type UnsignedDType,
} from "../common/dtype.ts";
import { FormatError } from "../common/errors.ts";
import { toSafeInteger } from "../common/safe-integer.ts";

export interface ArrayTypes {
  readonly data: ScdlDType;
  readonly indices: UnsignedDType;
  readonly indptr: UnsignedDType;
}

export interface ArraySizes {
  /** Bytes of data.npy, col_ptr.npy, row_ptr.npy. */
  readonly data: number;
  readonly indices: number;
  readonly indptr: number;
}

export interface Resolved {
  readonly types: ArrayTypes;
  readonly nObs: number;
  /** Stored values: elements of data.npy. */
  readonly nnz: number;
  /** Why the types are not the declared ones; null when they are. */
  readonly inferred: string | null;
}

export interface ResolveOptions {
  readonly directory: string;
  readonly paths: { readonly data: string; readonly indptr: string };
  readonly sizes: ArraySizes;
  /** From the header, or the original's defaults. */
  readonly declared: ArrayTypes;
  readonly declaredBy: "header.sch" | "the defaults";
  /** Rows by the var index, the most trustworthy count; undefined without one. */
  readonly rows: number | undefined;
}

/** @throws FormatError when neither the declared types nor any others fit the sizes. */
export function resolveTypes(options: ResolveOptions): Resolved {
  const { declared, sizes } = options;
  const problem = misfit(options, declared);
  if (problem === null) {
    const nObs = sizes.indptr / itemBytes(declared.indptr) - 1;
    return { types: declared, nObs, nnz: sizes.data / itemBytes(declared.data), inferred: null };
  }
  const rows = options.rows;
  if (rows !== undefined) {
    for (const indptr of SCDL_UNSIGNED) {
      if (sizes.indptr !== (rows + 1) * itemBytes(indptr)) continue;
      const types = typesFor(options, indptr);
      if (types === null || misfit(options, types) !== null) continue;
      return {
        types,
        nObs: rows,
        nnz: sizes.data / itemBytes(types.data),
        inferred: `the types of ${options.declaredBy} do not fit the files (${problem}); from their sizes data is ${types.data}, columns ${types.indices}, row pointers ${types.indptr}`,
      };
    }
  }
  throw new FormatError("inconsistent-sizes", problem, {
    path: options.directory,
    suggestions: ["the data set is damaged or incomplete: convert the source files again"],
  });
}

/** What contradicts `types`, as "expected ..., found ...", or null. */
function misfit(options: ResolveOptions, types: ArrayTypes): string | null {
  const { sizes, rows } = options;
  for (const [name, size, dtype] of [
    ["row_ptr.npy", sizes.indptr, types.indptr],
    ["data.npy", sizes.data, types.data],
    ["col_ptr.npy", sizes.indices, types.indices],
  ] as const) {
    if (size % itemBytes(dtype) !== 0) {
      return `${name}: expected a multiple of ${itemBytes(dtype)} bytes (${dtype}), found ${size}`;
    }
  }
  const pointers = sizes.indptr / itemBytes(types.indptr);
  const values = sizes.data / itemBytes(types.data);
  const columns = sizes.indices / itemBytes(types.indices);
  if (pointers < 1) return "row_ptr.npy: expected at least one row pointer, found none";
  if (rows !== undefined && pointers !== rows + 1) {
    return `row_ptr.npy: expected ${rows + 1} ${types.indptr} row pointers, found ${pointers}`;
  }
  if (values !== columns) {
    return `expected as many columns as values, found ${values} ${types.data} values and ${columns} ${types.indices} columns`;
  }
  const first = rowPointer(options, types.indptr, 0);
  const last = rowPointer(options, types.indptr, pointers - 1);
  if (first !== 0) return `row_ptr.npy: expected to begin with 0, found ${first}`;
  // Created empty, never filled: all row pointers are 0 and no row reaches the values.
  if (last !== values && !(rows === undefined && last === 0)) {
    return `row_ptr.npy: expected to end with ${values}, the number of values, found ${last}`;
  }
  return null;
}

function typesFor(options: ResolveOptions, indptr: UnsignedDType): ArrayTypes | null {
  const { sizes, declared, rows = 0 } = options;
  const values = rowPointer(options, indptr, rows);
  if (typeof values !== "number" || values === 0) return null;
  const indices = SCDL_UNSIGNED.find((dtype) => itemBytes(dtype) * values === sizes.indices);
  const width = sizes.data / values;
  if (indices === undefined) return null;
  if (width === itemBytes(declared.data)) return { data: declared.data, indices, indptr };
  const data = dataType(options, width);
  return data === null ? null : { data, indices, indptr };
}

/** 2, 4 and 8 bytes are ambiguous: floats unless the bits make no sensible floats. */
function dataType(options: ResolveOptions, width: number): ScdlDType | null {
  if (width === 1) return "uint8";
  if (width !== 2 && width !== 4 && width !== 8) return null;
  const [unsigned, float] = (
    { 2: ["uint16", "float16"], 4: ["uint32", "float32"], 8: ["uint64", "float64"] } as const
  )[width];
  const sample = readAt(options.paths.data, 0, Math.min(options.sizes.data, 65_536));
  const view = new DataView(sample.buffer, sample.byteOffset, sample.byteLength);
  if (width === 2) return isFloat(options.declared.data) ? float : unsigned;
  for (let at = 0; at + width <= sample.byteLength; at += width) {
    const value = Math.abs(width === 4 ? view.getFloat32(at, true) : view.getFloat64(at, true));
    // Small integers read as floats are denormal.
    if (value !== 0 && !(value > 1e-30 && value < 1e30)) return unsigned;
  }
  return float;
}

/** A row pointer, or its text when it is beyond 2^53. */
function rowPointer(options: ResolveOptions, dtype: UnsignedDType, i: number): number | string {
  const item = itemBytes(dtype);
  const bytes = readAt(options.paths.indptr, i * item, item);
  if (bytes.byteLength < item) return "the end of the file";
  let value = 0n;
  for (let byte = item - 1; byte >= 0; byte--) value = (value << 8n) | BigInt(bytes[byte] ?? 0);
  return value > BigInt(Number.MAX_SAFE_INTEGER)
    ? String(value)
    : toSafeInteger(value, "row pointer", options.paths.indptr);
}

function readAt(path: string, offset: number, byteLength: number): Uint8Array {
  using file = FileSource.open(path);
  const end = Math.min(file.byteLength, offset + byteLength);
  return file.read(Math.min(offset, end), Math.max(0, end - offset));
}
