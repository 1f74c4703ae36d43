/**
 * `header.sch`: which arrays and feature indexes a data set holds. Layout in SPEC.md.
 *
 * Big-endian throughout; strings are a u32 byte length and UTF-8 without terminator.
 */
import type { ScdlDType } from "../common/dtype.ts";
import { FormatError, InvalidArgumentError } from "../common/errors.ts";
import { toSafeInteger } from "../common/safe-integer.ts";

export const HEADER_FILE = "header.sch";
/** The schema version written; readers accept every version, as the original does. */
export const SCHEMA_VERSION = [0, 1, 0] as const;
const CORE_BYTES = 16;
const MAX_NAME_BYTES = 1024;
const MEMMAP_V0 = 1;
const BIG_ENDIAN = 1;

/** Codes 1 to 9. */
const DTYPE_NAMES = [
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "float16",
  "float32",
  "float64",
  "string",
  "fixed-string",
] as const;
export type HeaderDType = ScdlDType | "string" | "fixed-string";

export interface HeaderArray {
  /** `DATA`, `ROWPTR`, `COLPTR` in what the original writes. */
  readonly name: string;
  /** Elements. */
  readonly length: number;
  readonly dtype: HeaderDType;
  readonly shape: readonly number[] | null;
}

export interface HeaderFeatureIndex {
  /** The directory, e.g. `var_features`. */
  readonly name: string;
  /** Rows the index covers. */
  readonly length: number;
  readonly dtype: HeaderDType;
  /** Paths relative to the data set, parquet files last and in block order. */
  readonly files: readonly string[];
  readonly shape: readonly number[] | null;
}

export interface ScdlHeader {
  readonly version: readonly [major: number, minor: number, point: number];
  readonly backend: "memmap-v0";
  readonly arrays: readonly HeaderArray[];
  readonly featureIndexes: readonly HeaderFeatureIndex[];
}

/**
 * Decodes a header. Trailing bytes and a missing feature-index part are accepted.
 *
 * @throws FormatError for anything else that is not the format; `path` names the file in it.
 */
export function decodeHeader(bytes: Uint8Array, path: string): ScdlHeader {
  if (bytes.byteLength < CORE_BYTES) {
    throw new FormatError(
      "truncated",
      `expected at least ${CORE_BYTES} bytes of header, found ${bytes.byteLength}`,
      { path },
    );
  }
  const reader = new HeaderReader(bytes, path);
  const magic = reader.bytes(4);
  if (String.fromCharCode(...magic) !== "SCDL") {
    const found = Buffer.from(magic).toString("hex");
    throw new FormatError("bad-magic", `expected "SCDL", found bytes ${found}`, {
      path,
      offset: 0,
    });
  }
  const version = [reader.u8(), reader.u8(), reader.u8()] as const;
  const endianness = reader.u8();
  if (endianness !== BIG_ENDIAN) {
    throw new FormatError("bad-endianness", `expected endianness 1, found ${endianness}`, {
      path,
      offset: 7,
    });
  }
  const backend = reader.u32();
  if (backend !== MEMMAP_V0) {
    throw new FormatError("bad-backend", `expected backend 1 (MEMMAP_V0), found ${backend}`, {
      path,
      offset: 8,
    });
  }
  const arrays = reader.list(reader.u32(), () => ({
    name: reader.string(),
    length: reader.u64("array length"),
    dtype: reader.dtype(),
    shape: reader.shape(),
  }));
  // The original ignores fewer than four bytes here: headers without feature indexes.
  const count = reader.remaining >= 4 ? reader.u32() : 0;
  const featureIndexes = reader.list(count, () => ({
    name: reader.string(),
    length: reader.u64("feature index length"),
    dtype: reader.dtype(),
    files: reader.list(reader.u32(), () => reader.string()),
    shape: reader.shape(),
  }));
  return { version, backend: "memmap-v0", arrays, featureIndexes };
}

/**
 * Encodes a header, byte for byte as the original does, after the original's own validation.
 *
 * @throws InvalidArgumentError naming the rule that is broken.
 */
export function encodeHeader(header: ScdlHeader): Uint8Array {
  validateHeader(header);
  const parts: Uint8Array[] = [Buffer.from("SCDL"), Uint8Array.of(...header.version, BIG_ENDIAN)];
  parts.push(u32(MEMMAP_V0), u32(header.arrays.length));
  for (const array of header.arrays) {
    parts.push(...string(array.name), u64(array.length), u32(dtypeCode(array.dtype)));
    parts.push(...shape(array.shape));
  }
  parts.push(u32(header.featureIndexes.length));
  for (const index of header.featureIndexes) {
    parts.push(...string(index.name), u64(index.length), u32(dtypeCode(index.dtype)));
    parts.push(u32(index.files.length), ...index.files.flatMap(string), ...shape(index.shape));
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** The dtype of an array, when the header names one that SCDL arrays can have. */
export function arrayDType(header: ScdlHeader, name: string): ScdlDType | undefined {
  const dtype = header.arrays.find((array) => array.name === name)?.dtype;
  return dtype === "string" || dtype === "fixed-string" ? undefined : dtype;
}

function dtypeCode(dtype: HeaderDType): number {
  return DTYPE_NAMES.indexOf(dtype) + 1;
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function string(text: string): Uint8Array[] {
  const bytes = Buffer.from(text, "utf8");
  return [u32(bytes.byteLength), bytes];
}

function shape(dims: readonly number[] | null): Uint8Array[] {
  return dims === null
    ? [Uint8Array.of(0)]
    : [Uint8Array.of(1), u32(dims.length), ...dims.map((dim) => u32(dim))];
}

function validateHeader(header: ScdlHeader): void {
  const refuse = (value: unknown, rule: string) => {
    throw new InvalidArgumentError("header", value, `header.sch cannot be written: ${rule}`);
  };
  if (header.version[0] > SCHEMA_VERSION[0]) {
    refuse(header.version, `major version ${header.version[0]} is newer than ${SCHEMA_VERSION[0]}`);
  }
  const names = new Set<string>();
  for (const { name, length, shape: dims } of [...header.arrays, ...header.featureIndexes]) {
    if (name.trim() === "") refuse(name, "a name is blank");
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) refuse(name, "a name is longer than 1024 bytes");
    if (!name.isWellFormed()) refuse(name, "a name is not valid UTF-8");
    if (names.has(name)) refuse(name, `the name ${JSON.stringify(name)} is used twice`);
    names.add(name);
    if (!Number.isSafeInteger(length) || length < 0) {
      refuse(length, `length ${length} is not a count`);
    }
    if (dims === null) continue;
    if (dims.length === 0) refuse(dims, "a shape is empty");
    if (dims.some((dim) => !Number.isInteger(dim) || dim < 1 || dim > 0xffff_ffff)) {
      refuse(dims, "a dimension is not a positive u32");
    }
  }
  for (const file of header.featureIndexes.flatMap((index) => index.files)) {
    if (file.trim() === "") refuse(file, "a file name is blank");
    if (!file.isWellFormed()) refuse(file, "a file name is not valid UTF-8");
  }
}

class HeaderReader {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #path: string;
  #offset = 0;

  constructor(bytes: Uint8Array, path: string) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#bytes = bytes;
    this.#path = path;
  }

  get remaining(): number {
    return this.#bytes.byteLength - this.#offset;
  }

  #take(byteLength: number): number {
    if (byteLength > this.remaining) {
      throw new FormatError(
        "truncated",
        `expected ${byteLength} more bytes of header, found ${this.remaining}`,
        { path: this.#path, offset: this.#offset },
      );
    }
    const begin = this.#offset;
    this.#offset += byteLength;
    return begin;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(what: string): number {
    const begin = this.#take(8);
    return toSafeInteger(this.#view.getBigUint64(begin), what, this.#path, begin);
  }

  bytes(byteLength: number): Uint8Array {
    const begin = this.#take(byteLength);
    return this.#bytes.subarray(begin, begin + byteLength);
  }

  string(): string {
    const begin = this.#offset;
    const bytes = this.bytes(this.u32());
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      throw new FormatError("bad-utf8", "expected UTF-8 text", {
        path: this.#path,
        offset: begin,
        cause,
      });
    }
  }

  dtype(): HeaderDType {
    const begin = this.#offset;
    const code = this.u32();
    const name = DTYPE_NAMES[code - 1];
    if (name === undefined) {
      throw new FormatError("bad-dtype", `expected a dtype code of 1 to 9, found ${code}`, {
        path: this.#path,
        offset: begin,
      });
    }
    return name;
  }

  shape(): number[] | null {
    return this.u8() === 0 ? null : this.list(this.u32(), () => this.u32());
  }

  /** Every item takes at least one byte, so a hostile count ends at the end of the data. */
  list<T>(count: number, item: () => T): T[] {
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item());
    return items;
  }
}
