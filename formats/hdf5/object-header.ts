import type { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";
import { Cursor } from "./cursor.ts";

/** One message of an object header (HDF5 file format specification, section IV.A). */
export interface HeaderMessage {
  readonly type: number;
  readonly flags: number;
  readonly cursor: () => Cursor;
  readonly byteLength: number;
}

export const MESSAGE_DATASPACE = 0x01;
export const MESSAGE_DATATYPE = 0x03;
export const MESSAGE_EXTERNAL_FILES = 0x07;
export const MESSAGE_LAYOUT = 0x08;
export const MESSAGE_FILTERS = 0x0b;
const MESSAGE_CONTINUATION = 0x10;

/** More than any real dataset header has; a hostile one cannot make the parser work longer. */
const MAX_MESSAGES = 4096;
const MAX_BLOCKS = 256;
const MAX_BLOCK_BYTES = 16 << 20;

interface Block {
  readonly address: number;
  readonly byteLength: number;
}

/** The messages of the object header at `address`, continuation blocks included. */
export function readObjectHeader(file: FileSource, address: number): HeaderMessage[] {
  const signature = file.read(address, 4);
  const isV2 = Buffer.from(signature).toString("latin1") === "OHDR";
  return isV2 ? readV2(file, address) : readV1(file, address);
}

function blockBytes(file: FileSource, block: Block): Uint8Array {
  if (block.byteLength > MAX_BLOCK_BYTES) {
    throw new FormatError("bad-header", `an object header block of ${block.byteLength} bytes`, {
      path: file.path,
      offset: block.address,
    });
  }
  return file.read(block.address, block.byteLength);
}

function tooMany(file: FileSource, address: number): FormatError {
  return new FormatError("bad-header", "an object header with too many messages or blocks", {
    path: file.path,
    offset: address,
  });
}

function readV1(file: FileSource, address: number): HeaderMessage[] {
  const prefix = new Cursor(file.read(address, 16), file.path, address);
  const version = prefix.u8();
  if (version !== 1) throw prefix.fail("bad-header", `object header version ${version}`);
  prefix.skip(1);
  let left = prefix.u16();
  prefix.skip(4);
  const blocks: Block[] = [{ address: address + 16, byteLength: prefix.u32() }];
  const messages: HeaderMessage[] = [];
  for (let b = 0; b < blocks.length; b++) {
    const block = blocks[b] as Block;
    const bytes = blockBytes(file, block);
    const cursor = new Cursor(bytes, file.path, block.address);
    while (cursor.remaining >= 8 && left > 0) {
      left--;
      const type = cursor.u16();
      const byteLength = cursor.u16();
      const flags = cursor.u8();
      cursor.skip(3);
      addMessage(file, messages, blocks, type, flags, cursor, byteLength);
    }
  }
  return messages;
}

function readV2(file: FileSource, address: number): HeaderMessage[] {
  const prefix = new Cursor(
    file.read(address, Math.min(64, file.byteLength - address)),
    file.path,
    address,
    4,
  );
  const version = prefix.u8();
  if (version !== 2) throw prefix.fail("bad-header", `object header version ${version}`);
  const flags = prefix.u8();
  if ((flags & 0x20) !== 0) prefix.skip(16);
  if ((flags & 0x10) !== 0) prefix.skip(4);
  const first = prefix.uint(1 << (flags & 3));
  const blocks: Block[] = [{ address: prefix.offset, byteLength: first }];
  const headBytes = (flags & 4) !== 0 ? 6 : 4;
  const messages: HeaderMessage[] = [];
  for (let b = 0; b < blocks.length; b++) {
    const block = blocks[b] as Block;
    const cursor = new Cursor(blockBytes(file, block), file.path, block.address);
    let end = cursor.byteLength;
    if (b > 0) {
      if (cursor.text(4) !== "OCHK") throw cursor.fail("bad-header", "expected OCHK");
      end -= 4; // checksum
    }
    while (end - cursor.position >= headBytes) {
      const type = cursor.u8();
      const byteLength = cursor.u16();
      const messageFlags = cursor.u8();
      if (headBytes === 6) cursor.skip(2);
      if (cursor.position + byteLength > end) break;
      addMessage(file, messages, blocks, type, messageFlags, cursor, byteLength);
    }
  }
  return messages;
}

function addMessage(
  file: FileSource,
  messages: HeaderMessage[],
  blocks: Block[],
  type: number,
  flags: number,
  cursor: Cursor,
  byteLength: number,
): void {
  const offset = cursor.offset;
  const bytes = cursor.bytes(byteLength);
  if (type === MESSAGE_CONTINUATION) {
    const body = new Cursor(bytes, file.path, offset);
    const block = { address: body.u64(), byteLength: body.u64() };
    if (blocks.length >= MAX_BLOCKS || blocks.some((known) => known.address === block.address)) {
      throw tooMany(file, offset);
    }
    blocks.push(block);
    return;
  }
  if (messages.length >= MAX_MESSAGES) throw tooMany(file, offset);
  messages.push({
    type,
    flags,
    byteLength,
    cursor: () => new Cursor(bytes, file.path, offset),
  });
}
