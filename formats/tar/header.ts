/**
 * One 512-byte tar header: its fields, its checksum, and how numbers are written in it.
 *
 * POSIX ustar with GNU's base-256 numbers. Names are UTF-8.
 */
import { FormatError } from "../common/errors.ts";

export const BLOCK_BYTES = 512;
/** What to do about an archive that is none, or is damaged. */
export const NOT_WHOLE = ["check that the file is a tar archive and was copied whole"];
/** Bytes a member of `size` data bytes fills after its header. */
export function paddedBytes(size: number): number {
  const rest = size % BLOCK_BYTES;
  return rest === 0 ? size : size + BLOCK_BYTES - rest;
}

/** Offset and length of the fields that are used. */
export const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 8],
  uname: [265, 32],
  gname: [297, 32],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [number, number]>;

const SPACE = 0x20;
const DIGIT_0 = 0x30;
const BASE_256 = 0x80;
const BASE_256_NEGATIVE = 0xff;

/** Sum of the bytes of a block; 0 for a block of zeros. */
export function sumOfBlock(bytes: Uint8Array, at: number): number {
  let sum = 0;
  const end = at + BLOCK_BYTES;
  for (let i = at; i < end; i += 4) {
    // Inside the array: the caller checked at + 512.
    sum +=
      (bytes[i] as number) +
      (bytes[i + 1] as number) +
      (bytes[i + 2] as number) +
      (bytes[i + 3] as number);
  }
  return sum;
}

/**
 * Checks a header's checksum, the unsigned sum of its bytes with the checksum field as spaces; the
 * signed sum that some old programs wrote is accepted too.
 * @param sum {@link sumOfBlock} of the block.
 */
export function verifyChecksum(
  bytes: Uint8Array,
  at: number,
  sum: number,
  path: string,
  offset: number,
): void {
  const [begin, length] = FIELD.checksum;
  let unsigned = sum;
  for (let i = at + begin; i < at + begin + length; i++) unsigned += SPACE - (bytes[i] as number);
  const stored = readNumber(bytes, at, "checksum", path, offset);
  if (stored === unsigned) return;
  let negative = 0;
  for (let i = at; i < at + BLOCK_BYTES; i++) {
    const inChecksum = i >= at + begin && i < at + begin + length;
    if (!inChecksum && (bytes[i] as number) >= 0x80) negative += 256;
  }
  if (stored === unsigned - negative) return;
  throw new FormatError(
    "bad-checksum",
    `expected a tar header with checksum ${unsigned}, found ${stored}`,
    {
      path,
      offset,
      suggestions: NOT_WHOLE,
    },
  );
}

/** An octal field, ended by a space or NUL, or a base-256 one. */
export function readNumber(
  bytes: Uint8Array,
  at: number,
  field: "checksum" | "size" | "mtime",
  path: string,
  offset: number,
): number {
  const [begin, length] = FIELD[field];
  let i = at + begin;
  const end = i + length;
  const first = bytes[i] as number;
  if (first === BASE_256 || first === BASE_256_NEGATIVE) {
    return readBase256(bytes, i, end, field, path, offset);
  }
  while (i < end && bytes[i] === SPACE) i++;
  let value = 0;
  for (; i < end; i++) {
    const digit = (bytes[i] as number) - DIGIT_0;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  if (i < end && bytes[i] !== 0 && bytes[i] !== SPACE) {
    const found = Buffer.from(bytes.subarray(at + begin, end)).toString("latin1");
    throw new FormatError(
      "bad-header",
      `expected octal digits as tar ${field}, found ${JSON.stringify(found)}`,
      { path, offset: offset + begin, suggestions: NOT_WHOLE },
    );
  }
  return value;
}

function readBase256(
  bytes: Uint8Array,
  begin: number,
  end: number,
  field: string,
  path: string,
  offset: number,
): number {
  const negative = bytes[begin] === BASE_256_NEGATIVE;
  let value = negative ? -1 : 0;
  for (let i = begin + 1; i < end; i++) value = value * 256 + (bytes[i] as number);
  if (Number.isSafeInteger(value)) return value;
  throw new FormatError("count-out-of-range", `tar ${field} is beyond 2^53`, {
    path,
    offset,
    suggestions: NOT_WHOLE,
  });
}

/** A text field up to its first NUL. @throws FormatError "bad-name" when it is not UTF-8. */
export function readText(
  bytes: Uint8Array,
  begin: number,
  length: number,
  path: string,
  offset: number,
): string {
  let end = begin;
  let bits = 0;
  for (const limit = begin + length; end < limit; end++) {
    const byte = bytes[end] as number;
    if (byte === 0) break;
    bits |= byte;
  }
  const view = Buffer.from(bytes.buffer, bytes.byteOffset + begin, end - begin);
  return bits < 0x80 ? view.toString("latin1") : decodeUtf8(view, path, offset);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function decodeUtf8(bytes: Uint8Array, path: string, offset: number): string {
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw new FormatError("bad-name", "expected UTF-8 text in a tar header", {
      path,
      offset,
      cause,
      suggestions: ["write the archive with names in UTF-8"],
    });
  }
}
