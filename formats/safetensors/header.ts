/**
 * The header of a safetensors file: 8 bytes of length, JSON, then the tensors' bytes.
 *
 * Read as strictly as the Rust library reads it, and a name given twice is an error here (there the
 * last one counts). Written byte for byte as it writes it.
 */
import { FormatError, InvalidArgumentError } from "../common/errors.ts";
import { assertUnique } from "./header-names.ts";
import {
  assertTensor,
  elementBits,
  FORMAT_DTYPES,
  layoutRank,
  type StoredDType,
  type StoredTensor,
} from "./tensor.ts";

/** The Rust library's limit. */
export const MAX_HEADER_BYTES = 100_000_000;
export const LENGTH_BYTES = 8;
const ALIGNMENT = 8;
const METADATA_KEY = "__metadata__";

export interface TensorEntry {
  readonly name: string;
  /** One of the format's names; `isStoredDType` tells whether it can be read as numbers. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes in the file: half open. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of the bytes. */
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Length of the JSON. @throws FormatError when it cannot be one of a file of `fileBytes`. */
export function headerLength(bytes: Uint8Array, path: string, fileBytes: number): number {
  if (fileBytes < LENGTH_BYTES) {
    throw new FormatError("truncated", `expected 8 bytes of header length, found ${fileBytes}`, {
      path,
      offset: 0,
    });
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new FormatError(
      "bad-header",
      `expected a header of at most ${MAX_HEADER_BYTES} bytes, found a length of ${length}`,
      {
        path,
        offset: 0,
        suggestions: ["check that it is a safetensors file, and not cut or packed"],
      },
    );
  }
  if (Number(length) > fileBytes - LENGTH_BYTES) {
    throw new FormatError(
      "truncated",
      `expected a header of ${length} bytes, found ${fileBytes - LENGTH_BYTES}`,
      { path, offset: LENGTH_BYTES, suggestions: ["copy or download the file again"] },
    );
  }
  return Number(length);
}

/**
 * Checks and lists what a header says about a file of `fileBytes` bytes.
 * @param json the header without its length
 * @throws FormatError
 */
export function parseHeader(json: Uint8Array, path: string, fileBytes: number): SafetensorsHeader {
  const members = parseMembers(json, path);
  const dataBegin = LENGTH_BYTES + json.byteLength;
  const tensors: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(members)) {
    if (name === METADATA_KEY) metadata = metadataOf(value, path);
    else tensors.push(entryOf(name, value, dataBegin, path));
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let next = dataBegin;
  for (const { name, begin, end } of tensors) {
    if (begin !== next) {
      const kind = begin < next ? "overlap" : "leave a hole";
      throw new FormatError(
        "bad-offsets",
        `the bytes of ${quoted(name)} ${kind}: expected data_offsets from ${next - dataBegin}, found ${begin - dataBegin}`,
        { path, offset: LENGTH_BYTES },
      );
    }
    next = end;
  }
  if (next !== fileBytes) {
    throw new FormatError(
      next > fileBytes ? "truncated" : "trailing-bytes",
      `expected ${next} bytes by the header, found ${fileBytes}`,
      { path, offset: Math.min(next, fileBytes), suggestions: ["copy or download the file again"] },
    );
  }
  return { tensors, metadata };
}

function parseMembers(json: Uint8Array, path: string): Record<string, unknown> {
  let text: string;
  let value: unknown;
  try {
    // A byte order mark is kept, so that JSON refuses it as the Rust library does.
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof TypeError ? "text that is not UTF-8" : String(error);
    throw new FormatError("bad-header", `expected JSON, found ${reason.slice(0, 200)}`, {
      path,
      offset: LENGTH_BYTES,
      cause: error,
      suggestions: ["check that it is a safetensors file"],
    });
  }
  if (!isRecord(value)) throw badHeader(path, `expected a JSON object, found ${kindOf(value)}`);
  assertUnique(text, value, path);
  return value;
}

function entryOf(name: string, value: unknown, dataBegin: number, path: string): TensorEntry {
  const fail = (code: string, message: string): never => {
    throw new FormatError(code, `tensor ${quoted(name)}: ${message}`, {
      path,
      offset: LENGTH_BYTES,
    });
  };
  if (!isRecord(value)) throw badHeader(path, `${quoted(name)} is ${kindOf(value)}, not a tensor`);
  if (!name.isWellFormed()) fail("bad-header", "the name is not valid text");
  const { dtype, shape, data_offsets: offsets } = value;
  const bits = typeof dtype === "string" ? elementBits(dtype) : undefined;
  if (typeof dtype !== "string" || bits === undefined) {
    const found = JSON.stringify(dtype)?.slice(0, 80);
    return fail("bad-dtype", `expected a dtype of ${FORMAT_DTYPES.join(" ")}, found ${found}`);
  }
  if (!isCounts(shape)) {
    return fail("bad-shape", `expected whole numbers, found shape ${shown(shape)}`);
  }
  if (!isCounts(offsets) || offsets.length !== 2) {
    return fail("bad-offsets", `expected [begin, end], found data_offsets ${shown(offsets)}`);
  }
  const [begin = 0, end = 0] = offsets;
  if (end < begin) fail("bad-offsets", `ends at ${end} before it begins at ${begin}`);
  let elements = 1;
  for (const side of shape) {
    elements *= side;
    if (!Number.isSafeInteger(elements * bits)) fail("bad-shape", `[${shape}] is too large`);
  }
  if ((elements * bits) / 8 !== end - begin) {
    fail(
      "bad-shape",
      `[${shape}] of ${dtype} takes ${(elements * bits) / 8} bytes, data_offsets give ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin: dataBegin + begin, end: dataBegin + end };
}

function metadataOf(value: unknown, path: string): Record<string, string> {
  if (value === null) return {};
  if (!isRecord(value)) throw badHeader(path, `${METADATA_KEY} is ${kindOf(value)}, not an object`);
  const metadata: Record<string, string> = Object.create(null);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") {
      throw badHeader(
        path,
        `${METADATA_KEY}: expected text for ${quoted(key)}, found ${kindOf(text)}`,
      );
    }
    metadata[key] = text;
  }
  return metadata;
}

/** A tensor's place among the bytes to write. */
export interface PlacedTensor {
  readonly name: string;
  readonly tensor: StoredTensor;
}

/** A tensor whose values come later. */
export interface TensorShape {
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
}

/** Where a tensor's bytes go, counted from the end of the header. */
export interface TensorPlace extends TensorShape {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

/**
 * The bytes before the tensors, and the tensors in the order in which theirs follow.
 * @throws InvalidArgumentError for a tensor whose parts do not belong together, or a bad name
 */
export function encodeHeader(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>>,
): { header: Uint8Array; placed: readonly PlacedTensor[] } {
  for (const [name, tensor] of tensors) assertTensor(name, tensor);
  const { header, places } = encodeLayout(tensors, metadata);
  const placed = places.map(({ name }) => {
    return { name, tensor: tensors.get(name) as StoredTensor }; // proof: a name of `tensors`
  });
  return { header, placed };
}

/**
 * The bytes before the tensors, and where theirs go: wider types first, then by name, as the Python
 * library lays them out. Keys of the metadata are sorted, where Python's order changes from run to run.
 *
 * @throws InvalidArgumentError for a bad name
 */
export function encodeLayout(
  tensors: ReadonlyMap<string, TensorShape>,
  metadata: Readonly<Record<string, string>>,
): { header: Uint8Array; places: readonly TensorPlace[] } {
  const placed = [...tensors].map(([name, { dtype, shape }]) => {
    assertName(name);
    return { name, dtype, shape, rank: layoutRank(dtype), bytes: Buffer.from(name, "utf8") };
  });
  placed.sort((a, b) => a.rank - b.rank || Buffer.compare(a.bytes, b.bytes));
  const members: string[] = [];
  const keys = Object.keys(metadata).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  if (keys.length > 0) {
    const texts = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    members.push(`"${METADATA_KEY}":{${texts.join(",")}}`);
  }
  let offset = 0;
  const places: TensorPlace[] = [];
  for (const { name, dtype, shape } of placed) {
    const elements = shape.reduce((product, side) => product * side, 1);
    const end = offset + (elements * (elementBits(dtype) ?? 0)) / 8;
    places.push({ name, dtype, shape, begin: offset, end });
    members.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
  }
  const json = Buffer.from(`{${members.join(",")}}`, "utf8");
  const length = Math.ceil(json.byteLength / ALIGNMENT) * ALIGNMENT;
  if (length > MAX_HEADER_BYTES) {
    throw new InvalidArgumentError(
      "tensors",
      tensors.size,
      `a header of ${length} bytes is larger than the ${MAX_HEADER_BYTES} that readers take`,
    );
  }
  const header = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, LENGTH_BYTES);
  return { header, places };
}

function assertName(name: string): void {
  if (name !== METADATA_KEY && name.isWellFormed()) return;
  const reason = name === METADATA_KEY ? "is the name of the metadata" : "is not valid text";
  throw new InvalidArgumentError("tensors", name, `a tensor's name ${quoted(name)} ${reason}`);
}

function badHeader(path: string, message: string): FormatError {
  return new FormatError("bad-header", message, { path, offset: LENGTH_BYTES });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((side) => Number.isSafeInteger(side) && side >= 0);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

const quoted = (name: string): string => JSON.stringify(name.slice(0, 200));
const shown = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 80);
