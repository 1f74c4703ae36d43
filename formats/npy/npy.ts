/**
 * Real `.npy` files: the side files of a feature index (block boundaries, labels, version).
 *
 * Written byte for byte as numpy writes them. Read: versions 1 to 3, 1-D or 0-D, integers and text.
 * An object array is a pickle, which runs code when loaded: it is recognised and never decoded.
 */
import { FormatError } from "../common/errors.ts";
import { toSafeInteger } from "../common/safe-integer.ts";

export type NpyContent =
  | { readonly kind: "integers"; readonly values: readonly number[] }
  | { readonly kind: "text"; readonly values: readonly string[] }
  | { readonly kind: "empty" }
  | { readonly kind: "pickle" };

const MAGIC = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]);
const PREFIX_BYTES = 10;
const ALIGNMENT = 64;
const GROWTH_DIGITS = 21;

/** A 1-D `<i8` array. */
export function encodeInt64Npy(values: readonly number[]): Uint8Array {
  const body = Buffer.alloc(8 * values.length);
  values.forEach((value, i) => {
    body.writeBigInt64LE(BigInt(value), 8 * i);
  });
  return npyFile("<i8", `(${values.length},)`, values.length, body);
}

/** A 1-D `<U` array, no pickle; `np.array([], dtype=str)` when empty. */
export function encodeTextNpy(values: readonly string[]): Uint8Array {
  const points = values.map(codePoints);
  const width = Math.max(1, ...points.map((text) => text.length));
  return npyFile(`<U${width}`, `(${values.length},)`, values.length, ucs4(points, width));
}

/** A 0-dimensional `<U` array: `np.array("0.1.3")`. */
export function encodeTextScalarNpy(value: string): Uint8Array {
  const points = codePoints(value);
  const width = Math.max(1, points.length);
  return npyFile(`<U${width}`, "()", undefined, ucs4([points], width));
}

function codePoints(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0) ?? 0);
}

function ucs4(texts: readonly (readonly number[])[], width: number): Uint8Array {
  const body = Buffer.alloc(4 * width * texts.length);
  texts.forEach((points, row) => {
    points.forEach((point, i) => {
      body.writeUInt32LE(point, 4 * (row * width + i));
    });
  });
  return body;
}

/**
 * A whole file, version 1. `growing` is the length of the first axis; numpy leaves room for it to
 * grow to 21 digits.
 */
export function npyFile(
  descr: string,
  shape: string,
  growing: number | undefined,
  body: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const room = growing === undefined ? 0 : GROWTH_DIGITS - String(growing).length;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }${" ".repeat(room)}`;
  const used = PREFIX_BYTES + text.length + 1;
  const padded = `${text}${" ".repeat(ALIGNMENT - (used % ALIGNMENT))}\n`;
  const prefix = Buffer.alloc(PREFIX_BYTES);
  MAGIC.copy(prefix);
  prefix[6] = 1;
  prefix.writeUInt16LE(padded.length, 8);
  const file = new Uint8Array(PREFIX_BYTES + padded.length + body.byteLength);
  file.set(prefix);
  file.set(Buffer.from(padded, "latin1"), PREFIX_BYTES);
  file.set(body, PREFIX_BYTES + padded.length);
  return file;
}

/**
 * Decodes a side file.
 *
 * @throws FormatError when the bytes are no npy file, are cut off, or hold something else.
 */
export function decodeNpy(bytes: Uint8Array, path: string): NpyContent {
  const { descr, shape, dataOffset } = parseNpyHeader(bytes, path);
  if (shape.length > 1) {
    throw new FormatError("bad-shape", `expected a 1-D array, found shape (${shape.join(", ")})`, {
      path,
    });
  }
  if (descr.includes("O")) return { kind: "pickle" };
  const length = shape[0] ?? 1;
  if (length === 0) return { kind: "empty" };
  const match = /^([<>|=])([iuU])(\d{1,9})$/.exec(descr);
  const [, order, letter, digits] = match ?? [];
  const width = Number(digits);
  const itemBytes = letter === "U" ? 4 * width : width;
  if (letter === "U" ? width === 0 : ![1, 2, 4, 8].includes(width)) {
    throw new FormatError("bad-dtype", `expected integers or text, found dtype ${descr}`, { path });
  }
  if (length * itemBytes > bytes.byteLength - dataOffset) {
    throw new FormatError(
      "truncated",
      `expected ${length} items of ${itemBytes} bytes, found ${bytes.byteLength - dataOffset} bytes`,
      { path, offset: dataOffset },
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + dataOffset, length * itemBytes);
  const little = order !== ">";
  if (letter === "U") {
    return { kind: "text", values: texts(view, length, width, little, path) };
  }
  const values: number[] = [];
  for (let i = 0; i < length; i++) {
    values.push(integer(view, i * width, width, letter === "i", little, path));
  }
  return { kind: "integers", values };
}

function integer(
  view: DataView,
  at: number,
  width: number,
  signed: boolean,
  little: boolean,
  path: string,
): number {
  switch (width) {
    case 1:
      return signed ? view.getInt8(at) : view.getUint8(at);
    case 2:
      return signed ? view.getInt16(at, little) : view.getUint16(at, little);
    case 4:
      return signed ? view.getInt32(at, little) : view.getUint32(at, little);
    default: {
      const value = signed ? view.getBigInt64(at, little) : view.getBigUint64(at, little);
      return value < 0n
        ? -toSafeInteger(-value, "negated integer", path)
        : toSafeInteger(value, "integer", path);
    }
  }
}

function texts(
  view: DataView,
  length: number,
  width: number,
  little: boolean,
  path: string,
): string[] {
  const values: string[] = [];
  for (let row = 0; row < length; row++) {
    const points: number[] = [];
    for (let i = 0; i < width; i++) {
      const point = view.getUint32(4 * (row * width + i), little);
      if (point > 0x10_ffff) {
        throw new FormatError("bad-text", `expected a code point, found ${point}`, { path });
      }
      points.push(point);
    }
    while (points.at(-1) === 0) points.pop();
    values.push(points.map((point) => String.fromCodePoint(point)).join(""));
  }
  return values;
}

export interface NpyHeader {
  /** numpy's type code, e.g. "<f4"; a list of fields is given as its text. */
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: number[];
  readonly dataOffset: number;
}

/** @throws FormatError when the bytes do not begin with a whole npy header. */
export function parseNpyHeader(bytes: Uint8Array, path: string): NpyHeader {
  if (bytes.byteLength < PREFIX_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new FormatError("bad-magic", 'expected an npy file starting with "\\x93NUMPY"', {
      path,
      offset: 0,
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const major = bytes[6] as number;
  const wide = major >= 2;
  if (major < 1 || major > 3 || (wide && bytes.byteLength < 12)) {
    throw new FormatError("unsupported-version", `expected npy version 1 to 3, found ${major}`, {
      path,
      offset: 6,
    });
  }
  const textOffset = wide ? 12 : PREFIX_BYTES;
  const textBytes = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  if (textOffset + textBytes > bytes.byteLength) {
    throw new FormatError(
      "truncated",
      `expected ${textBytes} bytes of npy header, found ${bytes.byteLength - textOffset}`,
      { path, offset: textOffset },
    );
  }
  const text = Buffer.from(bytes.subarray(textOffset, textOffset + textBytes)).toString("latin1");
  const descr = /'descr':\s*(?:'([^']{1,32})'|(\[[^\]]{0,200}))/.exec(text)?.slice(1).join("");
  const shapeText = /'shape':\s*\(([\d,\sL]{0,200})\)/.exec(text)?.[1];
  if (descr === undefined || shapeText === undefined) {
    throw new FormatError("bad-npy-header", "expected 'descr' and 'shape' in the npy header", {
      path,
      offset: textOffset,
    });
  }
  const shape = (shapeText.match(/\d+/g) ?? []).map((digits) =>
    toSafeInteger(BigInt(digits), "axis length", path, textOffset),
  );
  const fortranOrder = /'fortran_order':\s*True/.test(text);
  return { descr, fortranOrder, shape, dataOffset: textOffset + textBytes };
}
