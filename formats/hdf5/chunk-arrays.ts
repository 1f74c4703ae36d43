import type { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";
import type { ChunkGrid, ChunkList } from "./chunk-list.ts";
import type { ChunkOrder } from "./chunk-order.ts";
import { Cursor, UNDEFINED_ADDRESS } from "./cursor.ts";

/** Adds the chunks of one array index to a list. */
export interface ArrayIndexTarget {
  readonly grid: ChunkGrid;
  readonly order: ChunkOrder;
  readonly list: ChunkList;
  /** Added to every address in the file. */
  readonly base: number;
}

/** An element is an address, or an address, a stored size and a filter mask. */
interface ElementForm {
  readonly byteLength: number;
  /** Bytes of the stored size; 0 for chunks without filters. */
  readonly sizeBytes: number;
}

function elementForm(cursor: Cursor, client: number, byteLength: number): ElementForm {
  const sizeBytes = client === 1 ? byteLength - 12 : 0;
  const isKnown =
    client === 0 ? byteLength === 8 : client === 1 && sizeBytes >= 1 && sizeBytes <= 8;
  if (!isKnown) throw cursor.fail("bad-chunk-index", `array elements of ${byteLength} bytes`);
  return { byteLength, sizeBytes };
}

function addElements(
  cursor: Cursor,
  first: number,
  count: number,
  form: ElementForm,
  target: ArrayIndexTarget,
): void {
  for (let i = 0; i < count; i++) {
    const address = cursor.address();
    const byteLength = form.sizeBytes === 0 ? target.grid.chunkBytes : cursor.uint(form.sizeBytes);
    const mask = form.sizeBytes === 0 ? 0 : cursor.u32();
    if (address === UNDEFINED_ADDRESS || first + i >= target.order.end) continue;
    target.list.add(target.order.numberOf(first + i), target.base + address, byteLength, mask);
  }
}

function open(file: FileSource, address: number, byteLength: number, signature: string): Cursor {
  const cursor = new Cursor(file.read(address, byteLength), file.path, address);
  if (cursor.text(4) !== signature) throw cursor.fail("bad-chunk-index", `expected ${signature}`);
  if (cursor.u8() !== 0) throw cursor.fail("bad-chunk-index", `an unknown version of ${signature}`);
  return cursor;
}

/** Fixed array (format specification VII.C): one data block, in pages when it is large. */
export function walkFixedArray(file: FileSource, header: number, target: ArrayIndexTarget): void {
  const head = open(file, header, 24, "FAHD");
  const client = head.u8();
  const form = elementForm(head, client, head.u8());
  const pageBits = head.u8();
  const count = head.u64();
  const block = head.address();
  if (block === UNDEFINED_ADDRESS) return;
  if (pageBits > 30 || count * form.byteLength > file.byteLength) {
    throw head.fail("bad-chunk-index", `a fixed array of ${count} elements`);
  }
  const address = target.base + block;
  open(file, address, 14, "FADB");
  const pageCount = 2 ** pageBits;
  if (count <= pageCount) {
    const at = address + 14;
    const body = new Cursor(file.read(at, count * form.byteLength), file.path, at);
    addElements(body, 0, count, form, target);
    return;
  }
  const pages = Math.ceil(count / pageCount);
  const bitmap = file.read(address + 14, Math.ceil(pages / 8));
  let at = address + 14 + bitmap.byteLength + 4;
  for (let page = 0; page < pages; page++) {
    const first = page * pageCount;
    const inPage = Math.min(pageCount, count - first);
    if (isSet(bitmap, page)) {
      const body = new Cursor(file.read(at, inPage * form.byteLength), file.path, at);
      addElements(body, first, inPage, form, target);
    }
    at += inPage * form.byteLength + 4;
  }
}

/** Bits count from the highest of each byte. */
function isSet(bitmap: Uint8Array, bit: number): boolean {
  return ((bitmap[bit >> 3] as number) & (0x80 >> (bit & 7))) !== 0;
}

interface ExtensibleArray {
  readonly form: ElementForm;
  /** Bytes of an element's offset in block headers. */
  readonly offsetBytes: number;
  readonly pageCount: number;
}

/**
 * Extensible array (format specification VII.D): elements in the index block, then in data blocks
 * whose sizes and numbers grow by powers of two, the later ones reached through super blocks.
 */
export function walkExtensibleArray(
  file: FileSource,
  header: number,
  target: ArrayIndexTarget,
): void {
  const head = open(file, header, 72, "EAHD");
  const client = head.u8();
  const form = elementForm(head, client, head.u8());
  const maxBits = head.u8();
  const indexElements = head.u8();
  const minElements = head.u8();
  const minPointers = head.u8();
  const pageBits = head.u8();
  head.skip(48);
  const indexBlock = head.address();
  if (indexBlock === UNDEFINED_ADDRESS) return;
  if (maxBits > 64 || pageBits > 30 || !isPowerOfTwo(minElements) || !isPowerOfTwo(minPointers)) {
    throw head.fail("bad-chunk-index", "an extensible array of impossible parameters");
  }
  const array: ExtensibleArray = {
    form,
    offsetBytes: Math.ceil(maxBits / 8),
    pageCount: 2 ** pageBits,
  };
  const superBlocks = 1 + maxBits - Math.log2(minElements);
  const directSuperBlocks = Math.min(superBlocks, 2 * Math.log2(minPointers));
  const directBlocks = 2 * (minPointers - 1);
  const pointers = directBlocks + Math.max(0, superBlocks - directSuperBlocks);
  const at = target.base + indexBlock;
  open(file, at, 14, "EAIB");
  const body = new Cursor(
    file.read(at + 14, indexElements * form.byteLength + pointers * 8),
    file.path,
    at + 14,
  );
  addElements(body, 0, indexElements, form, target);
  let first = indexElements;
  for (let level = 0; level < superBlocks && first < target.order.end; level++) {
    const blocks = 2 ** Math.floor(level / 2);
    const elements = 2 ** Math.ceil(level / 2) * minElements;
    if (level < directSuperBlocks) {
      for (let b = 0; b < blocks; b++, first += elements) {
        const address = body.address();
        if (address === UNDEFINED_ADDRESS || first >= target.order.end) continue;
        walkDataBlock(file, target.base + address, first, elements, array, target, null);
      }
    } else {
      const address = body.address();
      if (address !== UNDEFINED_ADDRESS) {
        walkSuperBlock(file, target.base + address, first, blocks, elements, array, target);
      }
      first += blocks * elements;
    }
  }
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

function walkSuperBlock(
  file: FileSource,
  address: number,
  begin: number,
  blocks: number,
  elements: number,
  array: ExtensibleArray,
  target: ArrayIndexTarget,
): void {
  const headBytes = 14 + array.offsetBytes;
  open(file, address, headBytes, "EASB");
  const pages = elements > array.pageCount ? elements / array.pageCount : 0;
  const bitmapBytes = Math.ceil(pages / 8);
  const at = address + headBytes;
  if (blocks * (bitmapBytes + 8) > file.byteLength) {
    throw new FormatError("bad-chunk-index", `a super block of ${blocks} blocks`, {
      path: file.path,
      offset: address,
    });
  }
  const body = new Cursor(file.read(at, blocks * (bitmapBytes + 8)), file.path, at);
  const bitmaps = body.bytes(blocks * bitmapBytes);
  let first = begin;
  for (let b = 0; b < blocks && first < target.order.end; b++, first += elements) {
    const block = body.address();
    if (block === UNDEFINED_ADDRESS) continue;
    const bitmap = pages === 0 ? null : bitmaps.subarray(b * bitmapBytes, (b + 1) * bitmapBytes);
    walkDataBlock(file, target.base + block, first, elements, array, target, bitmap);
  }
}

function walkDataBlock(
  file: FileSource,
  address: number,
  begin: number,
  elements: number,
  array: ExtensibleArray,
  target: ArrayIndexTarget,
  /** Which pages were written; null when the block has none. */
  bitmap: Uint8Array | null,
): void {
  const headBytes = 14 + array.offsetBytes;
  open(file, address, headBytes, "EADB");
  const { byteLength } = array.form;
  let at = address + headBytes;
  if (bitmap === null) {
    const body = new Cursor(file.read(at, elements * byteLength), file.path, at);
    addElements(body, begin, elements, array.form, target);
    return;
  }
  at += 4;
  const pages = elements / array.pageCount;
  for (let page = 0; page < pages; page++) {
    const first = begin + page * array.pageCount;
    if (first >= target.order.end) return;
    if (isSet(bitmap, page)) {
      const body = new Cursor(file.read(at, array.pageCount * byteLength), file.path, at);
      addElements(body, first, array.pageCount, array.form, target);
    }
    at += array.pageCount * byteLength + 4;
  }
}
