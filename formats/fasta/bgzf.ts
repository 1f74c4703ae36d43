/** Blocks of bgzip: gzip members of at most 64 KiB that say how long they are. */
import { inflateRawSync } from "node:zlib";
import type { ByteSource } from "../bytes/byte-source.ts";
import { crc32 } from "../common/crc32.ts";
import { FormatError } from "../common/errors.ts";

/** gzip header with the one extra field BC. */
export const BGZF_HEADER_BYTES = 18;
/** CRC-32 and length. */
export const BGZF_FOOTER_BYTES = 8;
const MAX_TEXT_BYTES = 2 ** 16;

/** Whether bytes begin as a block does. */
export function isBgzf(head: Uint8Array): boolean {
  return (
    head.length >= BGZF_HEADER_BYTES &&
    head[0] === 31 &&
    head[1] === 139 &&
    head[2] === 8 &&
    ((head[3] as number) & 4) !== 0 &&
    head[10] === 6 &&
    head[11] === 0 &&
    head[12] === 66 &&
    head[13] === 67 &&
    head[14] === 2 &&
    head[15] === 0
  );
}

/** Bytes of the whole block that begins with `head`, at `offset` of the file. */
export function blockBytes(head: Uint8Array, path: string, offset: number): number {
  if (!isBgzf(head)) throw badBlock("the header of a bgzip block", "other bytes", path, offset);
  const length = 1 + (head[16] as number) + 256 * (head[17] as number);
  if (length < BGZF_HEADER_BYTES + BGZF_FOOTER_BYTES) {
    throw badBlock("a block of 26 bytes or more", `${length}`, path, offset);
  }
  return length;
}

/** Length of the text of a block, from its last four bytes. */
export function textBytesOf(footer: Uint8Array, path: string, offset: number): number {
  const view = new DataView(footer.buffer, footer.byteOffset, footer.byteLength);
  const length = view.getUint32(footer.byteLength - 4, true);
  if (length <= MAX_TEXT_BYTES) return length;
  throw badBlock(`a block of at most ${MAX_TEXT_BYTES} bytes of text`, `${length}`, path, offset);
}

/** The text of a whole block, checked. */
export function inflateBlock(block: Uint8Array, path: string, offset: number): Uint8Array {
  const length = textBytesOf(block, path, offset);
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const sum = view.getUint32(block.byteLength - 8, true);
  let text: Uint8Array;
  try {
    text = inflateRawSync(block.subarray(BGZF_HEADER_BYTES, -BGZF_FOOTER_BYTES), {
      maxOutputLength: MAX_TEXT_BYTES,
    });
  } catch (error) {
    throw badBlock(
      "compressed bytes",
      error instanceof Error ? error.message : "none",
      path,
      offset,
    );
  }
  if (text.length !== length) {
    throw badBlock(`${length} bytes of text`, `${text.length}`, path, offset);
  }
  if (crc32(text) !== sum) throw badBlock("text with its checksum", "another", path, offset);
  return text;
}

/** Reads a part of the block at `block`. @throws FormatError "truncated" when the file ends before */
export function readPart(
  source: ByteSource,
  block: number,
  offset: number,
  target: Uint8Array,
): void {
  const end = offset + target.byteLength;
  if (end > source.byteLength) {
    const found = `the end of the file at byte ${source.byteLength}`;
    throw new FormatError(
      "truncated",
      `expected a bgzip block up to byte ${end} at least, found ${found}`,
      {
        path: source.path,
        offset: block,
        suggestions: ["copy the file again: it was cut"],
      },
    );
  }
  source.readInto(offset, target);
}

export function badBlock(
  expected: string,
  found: string,
  path: string,
  offset: number,
): FormatError {
  return new FormatError("bad-bgzip", `expected ${expected}, found ${found}`, {
    path,
    offset,
    suggestions: ["copy the file again, or compress it again with bgzip"],
  });
}
