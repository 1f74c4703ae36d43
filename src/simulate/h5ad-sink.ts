/**
 * Growing HDF5 arrays for writing an AnnData file as its rows come, in bounded memory.
 *
 * Arrays grow by whole HDF5 chunks: h5wasm opens a data set for each write, so a chunk written in
 * two parts would be compressed twice and leave a hole in the file.
 */
import type { Dataset, Group, File as H5File } from "h5wasm/node";
import { StorageError } from "../../formats/common/errors.ts";

/** Types this writer makes, in h5wasm's spelling (Python's struct codes). */
const CODES = {
  float32: "<f",
  float64: "<d",
  int8: "<b",
  int32: "<i",
  int64: "<q",
  uint8: "<B",
  uint16: "<H",
  uint32: "<I",
} as const;
type SinkArrays = {
  float32: Float32Array;
  float64: Float64Array;
  int8: Int8Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
};
export type SinkDType = keyof typeof CODES;

const NEW: { readonly [D in SinkDType]: new (length: number) => SinkArrays[D] } = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
};

/** Elements written to one data set at a time, at most (whole chunks below that). */
const WRITE_ELEMENTS = 1 << 19;

export interface SinkOptions {
  /** Elements per HDF5 chunk. */
  readonly chunk: number;
  /** gzip level, or null for no filter. */
  readonly gzip: number | null;
}

/** h5py's automatic chunk length for a one-dimensional array that will hold `length` elements. */
export function h5pyChunkLength(length: number, itemBytes: number): number {
  const bytes = Math.max(1, length) * itemBytes;
  const target = Math.min(2 ** 20, Math.max(8192, 16_384 * 2 ** Math.log10(bytes / 2 ** 20)));
  let chunk = Math.max(1, length);
  while (chunk * itemBytes >= target && chunk > 1) chunk = Math.ceil(chunk / 2);
  return chunk;
}

/** A one-dimensional numeric data set that grows. */
export class GrowingArray<D extends SinkDType> {
  readonly #set: Dataset;
  readonly #pending: SinkArrays[D];
  #held = 0;
  #written = 0;

  constructor(file: H5File, path: string, dtype: D, options: SinkOptions) {
    const perWrite = Math.max(1, Math.floor(WRITE_ELEMENTS / options.chunk)) * options.chunk;
    this.#pending = new NEW[dtype](perWrite);
    this.#set = createArray(file, path, new NEW[dtype](0), CODES[dtype], options);
  }

  push(value: SinkArrays[D][number]): void {
    if (this.#held === this.#pending.length) this.finish();
    this.#pending[this.#held++] = value;
  }

  /** Writes what is left. The last write may be a partial chunk, so nothing may follow it. */
  finish(): void {
    if (this.#held === 0) return;
    const end = this.#written + this.#held;
    this.#set.resize([end]);
    this.#set.write_slice([[this.#written, end]], this.#pending.subarray(0, this.#held));
    this.#written = end;
    this.#held = 0;
  }
}

/** A growing array of ASCII strings of one width; h5wasm cannot grow variable ones. */
export class GrowingStrings {
  readonly #set: Dataset;
  readonly #perWrite: number;
  #pending: string[] = [];
  #written = 0;

  constructor(file: H5File, path: string, width: number, options: SinkOptions) {
    this.#perWrite = Math.max(1, Math.floor(65_536 / options.chunk)) * options.chunk;
    this.#set = createArray(file, path, [], `A${width}`, options);
  }

  push(text: string): void {
    this.#pending.push(text);
    if (this.#pending.length === this.#perWrite) this.finish();
  }

  finish(): void {
    if (this.#pending.length === 0) return;
    const end = this.#written + this.#pending.length;
    this.#set.resize([end]);
    this.#set.write_slice([[this.#written, end]], this.#pending);
    this.#written = end;
    this.#pending = [];
  }
}

function createArray(
  file: H5File,
  path: string,
  data: Uint8Array | SinkArrays[SinkDType] | string[],
  dtype: string,
  options: SinkOptions,
): Dataset {
  file.create_dataset({
    name: path,
    data,
    shape: [0],
    maxshape: [null],
    dtype,
    chunks: [options.chunk],
    ...(options.gzip === null
      ? {}
      : { compression: "gzip" as const, compression_opts: [options.gzip] }),
  });
  const set = file.get(path);
  if (set === null || !("write_slice" in set)) {
    throw new StorageError("io", `HDF5 did not create "${path}"`, { path: file.filename });
  }
  encode(set, typeof data[0] === "string" || dtype.startsWith("A") ? "string-array" : "array");
  return set;
}

const ENCODING_VERSIONS = {
  anndata: "0.1.0",
  array: "0.2.0",
  categorical: "0.2.0",
  csr_matrix: "0.1.0",
  dataframe: "0.2.0",
  dict: "0.1.0",
  raw: "0.1.0",
  "string-array": "0.2.0",
} as const;

/** Marks a group or data set with AnnData's encoding attributes. */
export function encode(
  target: Pick<Group, "create_attribute">,
  type: keyof typeof ENCODING_VERSIONS,
): void {
  target.create_attribute("encoding-type", type, null, "S");
  target.create_attribute("encoding-version", ENCODING_VERSIONS[type], null, "S");
}

/** A new group with its encoding. */
export function createGroup(
  file: H5File,
  path: string,
  type: keyof typeof ENCODING_VERSIONS,
): Group {
  const group = file.create_group(path);
  encode(group, type);
  return group;
}

/** A whole array of variable-length strings or numbers, written at once. */
export function writeArray(
  file: H5File,
  path: string,
  data: readonly string[] | Float32Array | Int32Array | Int8Array,
): void {
  const isText = Array.isArray(data);
  file.create_dataset({ name: path, data: data as never, ...(isText ? { dtype: "S" } : {}) });
  const set = file.get(path);
  if (set !== null && "create_attribute" in set) encode(set, isText ? "string-array" : "array");
}
