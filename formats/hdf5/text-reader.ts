import { isUtf8 } from "node:buffer";
import type { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";
import { Cursor, UNDEFINED_ADDRESS } from "./cursor.ts";
import { TEXT_ITEM_BYTES } from "./datatype.ts";
import { canDecode, decodeChunk } from "./filters.ts";
import { GlobalHeap } from "./global-heap.ts";
import type { TextStorage } from "./locate.ts";
import type { Hdf5Values } from "./protocol.ts";

/** Text of one read may not be larger than this. */
const MAX_TEXT_BYTES = 2 ** 30;

/** @throws FormatError when a text is not UTF-8, which is what AnnData writes */
export function checkUtf8(bytes: Uint8Array, path: string): void {
  if (!isUtf8(bytes)) throw new FormatError("not-utf8", "a text is not UTF-8", { path });
}

/**
 * Reads variable-length strings straight from the file: about five times as fast as through the
 * HDF5 library, which allocates every string on its own.
 */
export class TextReader {
  readonly #file: FileSource;
  readonly #path: string;
  readonly #storage: TextStorage;
  readonly #heap: GlobalHeap;
  /** Reused by every read. */
  #references = new Uint8Array(0);
  #chunkIndex = -1;
  #chunk: Uint8Array | null = null;

  private constructor(file: FileSource, path: string, storage: TextStorage) {
    this.#file = file;
    this.#path = path;
    this.#storage = storage;
    this.#heap = new GlobalHeap(file);
  }

  /** @returns null when the storage needs the HDF5 library */
  static of(file: FileSource, path: string, storage: TextStorage): TextReader | null {
    const { layout } = storage;
    const isDirect =
      layout.kind === "contiguous" || (layout.kind === "chunked" && canDecode(layout.filters));
    return isDirect ? new TextReader(file, path, storage) : null;
  }

  read(begin: number, end: number): Hdf5Values {
    const count = end - begin;
    const elements = this.#elements(begin, end);
    const place = `${this.#file.path}:${this.#path}`;
    const cursor = new Cursor(elements, place, 0);
    let total = 0;
    for (let i = 0; i < count; i++) {
      cursor.position = i * TEXT_ITEM_BYTES;
      total += cursor.u32();
    }
    if (total > Math.min(MAX_TEXT_BYTES, this.#file.byteLength * Math.max(1, count))) {
      throw new FormatError("bad-string", `${total} bytes of text in ${count} rows`, {
        path: place,
      });
    }
    const offsets = new Int32Array(count + 1);
    const bytes = new Uint8Array(total);
    let to = 0;
    cursor.position = 0;
    for (let i = 0; i < count; i++) {
      const length = cursor.u32();
      const address = cursor.address();
      const index = cursor.u32();
      const isNull = length === 0 || address === 0 || address === UNDEFINED_ADDRESS;
      if (!isNull) to += this.#heap.copy(this.#storage.base + address, index, length, bytes, to);
      offsets[i + 1] = to;
    }
    const texts = to === total ? bytes : bytes.slice(0, to);
    checkUtf8(texts, place);
    return { kind: "string", offsets, bytes: texts };
  }

  /** The stored references of rows [begin, end). */
  #elements(begin: number, end: number): Uint8Array {
    const { layout } = this.#storage;
    const byteLength = (end - begin) * TEXT_ITEM_BYTES;
    if (this.#references.byteLength < byteLength) this.#references = new Uint8Array(byteLength);
    const target = this.#references.subarray(0, byteLength);
    if (layout.kind === "contiguous") {
      this.#file.readInto(layout.address + begin * TEXT_ITEM_BYTES, target);
    } else if (layout.kind === "chunked") {
      const [rows = 1] = layout.chunk;
      for (let at = begin; at < end; ) {
        const index = Math.floor(at / rows);
        const first = index * rows;
        const stop = Math.min(end, first + rows);
        if (this.#chunk === null || this.#chunkIndex !== index) {
          const address = layout.addresses[index] as number;
          this.#chunk = decodeChunk(
            this.#file.read(address, layout.sizes[index] as number),
            layout.filters,
            layout.masks[index] as number,
            TEXT_ITEM_BYTES,
            rows * TEXT_ITEM_BYTES,
            `${this.#file.path}:${this.#path}`,
          );
          this.#chunkIndex = index;
        }
        target.set(
          this.#chunk.subarray((at - first) * TEXT_ITEM_BYTES, (stop - first) * TEXT_ITEM_BYTES),
          (at - begin) * TEXT_ITEM_BYTES,
        );
        at = stop;
      }
    }
    return target;
  }
}
