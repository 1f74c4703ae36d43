/** The text of a bgzip file: read from start to end, or at any place by its blocks. */
import { assertInside, type ByteSource, closedError } from "../bytes/byte-source.ts";
import type { ByteStream } from "../bytes/byte-stream.ts";
import { BGZF_HEADER_BYTES, badBlock, blockBytes, inflateBlock, readPart } from "./bgzf.ts";
import { type BlockIndex, BlockIndexBuilder } from "./gzi.ts";

/** Blocks that are kept inflated: 1 MiB. */
const CACHED_BLOCKS = 16;

function readBlock(source: ByteSource, offset: number, head: Uint8Array): Uint8Array<ArrayBuffer> {
  readPart(source, offset, offset, head);
  const block = new Uint8Array(blockBytes(head, source.path, offset));
  readPart(source, offset, offset, block);
  return block;
}

/** From start to end; it collects where the blocks are. */
export class BgzfStream implements ByteStream {
  readonly path: string;
  readonly #source: ByteSource;
  readonly #blocks = new BlockIndexBuilder();
  readonly #head = new Uint8Array(BGZF_HEADER_BYTES);
  #at = 0;
  #textBytes = 0;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(source: ByteSource) {
    this.path = source.path;
    this.#source = source;
  }

  /** Bytes of the file that were read. */
  get position(): number {
    return this.#at;
  }

  read(target: Uint8Array): number {
    while (this.#rest.length === 0) {
      if (this.#at >= this.#source.byteLength) return 0;
      const block = readBlock(this.#source, this.#at, this.#head);
      this.#rest = inflateBlock(block, this.path, this.#at);
      this.#blocks.add(this.#at, this.#rest.length);
      this.#textBytes += this.#rest.length;
      this.#at += block.length;
    }
    const count = Math.min(target.length, this.#rest.length);
    target.set(this.#rest.subarray(0, count));
    this.#rest = this.#rest.subarray(count);
    return count;
  }

  /** Where the blocks are, once all is read. */
  index(): BlockIndex {
    return this.#blocks.finish(this.#textBytes);
  }

  close(): void {
    this.#source.close();
  }
}

/** At any place. Owns `source`. */
export class BgzfSource implements ByteSource {
  readonly kind = "file";
  readonly path: string;
  readonly identity: string;
  /** Of the text. */
  readonly byteLength: number;
  readonly bytes = null;
  readonly advice = null;
  readonly #source: ByteSource;
  readonly #index: BlockIndex;
  readonly #head = new Uint8Array(BGZF_HEADER_BYTES);
  /** The least recently used first. */
  readonly #cache = new Map<number, Uint8Array>();
  #isClosed = false;

  constructor(source: ByteSource, index: BlockIndex) {
    this.path = source.path;
    this.identity = source.identity;
    this.byteLength = index.textBytes;
    this.#source = source;
    this.#index = index;
  }

  readInto(offset: number, target: Uint8Array): void {
    if (this.#isClosed) throw closedError(this.path);
    assertInside(this, offset, target.byteLength);
    let done = 0;
    for (let block = this.#index.blockOf(offset); done < target.length; block++) {
      const begin = this.#index.uncompressed[block] as number;
      const text = this.#block(block);
      const part = text.subarray(offset + done - begin, offset + target.length - begin);
      target.set(part, done);
      done += part.length;
    }
  }

  check(): void {
    this.#source.check();
  }

  close(): void {
    this.#isClosed = true;
    this.#cache.clear();
    this.#source.close();
  }

  #block(block: number): Uint8Array {
    const cached = this.#cache.get(block);
    if (cached !== undefined) {
      this.#cache.delete(block);
      this.#cache.set(block, cached);
      return cached;
    }
    const text = this.#read(block);
    this.#cache.set(block, text);
    if (this.#cache.size > CACHED_BLOCKS) {
      for (const oldest of this.#cache.keys()) {
        this.#cache.delete(oldest);
        break;
      }
    }
    return text;
  }

  /** Blocks without text may stand before the one that is meant. */
  #read(block: number): Uint8Array {
    const { compressed, uncompressed, textBytes } = this.#index;
    const expected = (uncompressed[block + 1] ?? textBytes) - (uncompressed[block] as number);
    let at = compressed[block] as number;
    for (;;) {
      const bytes = readBlock(this.#source, at, this.#head);
      const text = inflateBlock(bytes, this.path, at);
      if (text.length === expected) return text;
      if (text.length > 0) {
        const wanted = `a block of ${expected} bytes of text, as the .gzi says`;
        throw badBlock(wanted, `${text.length}`, this.path, at);
      }
      at += bytes.length;
    }
  }
}
