/** Where the blocks of a bgzip file begin, in it and in its text: `.gzi`. */
import type { ByteSource } from "../bytes/byte-source.ts";
import { FormatError } from "../common/errors.ts";
import { BGZF_HEADER_BYTES, blockBytes, readPart, textBytesOf } from "./bgzf.ts";

/** Blocks that hold text, the first at 0. */
export class BlockIndex {
  /** Of each block, in the file. */
  readonly compressed: Float64Array;
  /** Of each block, in the text. */
  readonly uncompressed: Float64Array;
  /** Length of the text. */
  readonly textBytes: number;

  constructor(compressed: Float64Array, uncompressed: Float64Array, textBytes: number) {
    this.compressed = compressed;
    this.uncompressed = uncompressed;
    this.textBytes = textBytes;
  }

  /** The block that holds a byte of the text. */
  blockOf(offset: number): number {
    let [low, high] = [0, this.uncompressed.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.uncompressed[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The bytes of a `.gzi` file: a count, then pairs of 64-bit numbers without the first block. */
  encode(): Uint8Array {
    const count = this.compressed.length - 1;
    const bytes = new Uint8Array(8 + 16 * count);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(count), true);
    for (let i = 1; i <= count; i++) {
      view.setBigUint64(16 * i - 8, BigInt(this.compressed[i] as number), true);
      view.setBigUint64(16 * i, BigInt(this.uncompressed[i] as number), true);
    }
    return bytes;
  }

  /** Goes over the headers of all blocks, inflating none. */
  static scan(source: ByteSource): BlockIndex {
    const builder = new BlockIndexBuilder();
    const textBytes = scanFrom(source, 0, 0, (compressed, bytes) => builder.add(compressed, bytes));
    return builder.finish(textBytes);
  }

  /**
   * Reads a `.gzi` file for a bgzip file.
   * @throws FormatError "bad-gzi" when it is not one, or is one of another file
   */
  static parse(gzi: Uint8Array, path: string, source: ByteSource): BlockIndex {
    const view = new DataView(gzi.buffer, gzi.byteOffset, gzi.byteLength);
    const count = gzi.byteLength >= 8 ? Number(view.getBigUint64(0, true)) : Number.NaN;
    if (gzi.byteLength !== 8 + 16 * count) {
      throw badGzi(path, `8 bytes and 16 for each of ${count} blocks`, `${gzi.byteLength}`, 0);
    }
    const compressed = new Float64Array(count + 1);
    const uncompressed = new Float64Array(count + 1);
    for (let i = 1; i <= count; i++) {
      const [at, text] = [view.getBigUint64(16 * i - 8, true), view.getBigUint64(16 * i, true)];
      compressed[i] = Number(at);
      uncompressed[i] = Number(text);
      const isNext =
        (compressed[i] as number) > (compressed[i - 1] as number) &&
        (uncompressed[i] as number) > (uncompressed[i - 1] as number) &&
        at < source.byteLength;
      if (!isNext) {
        const expected = `block ${i} behind block ${i - 1}, inside ${source.byteLength} bytes`;
        throw badGzi(path, expected, `byte ${at}, text ${text}`, 16 * i - 8);
      }
    }
    // The last block must be there, and no other behind it.
    let blocks = 0;
    const [last, lastText] = [compressed[count] as number, uncompressed[count] as number];
    const textBytes = scanFrom(source, last, lastText, () => blocks++);
    if (blocks > 1) throw badGzi(path, `${count + 1} blocks`, `${count + blocks} in the file`, 0);
    return new BlockIndex(compressed, uncompressed, textBytes);
  }
}

/** Collects blocks as they are read. */
export class BlockIndexBuilder {
  #compressed = new Float64Array(64);
  #uncompressed = new Float64Array(64);
  #count = 0;
  #textBytes = 0;

  /** A block at `compressed` of the file; one without text is left out. */
  add(compressed: number, textBytes: number): void {
    if (textBytes === 0) return;
    if (this.#count === this.#compressed.length) {
      this.#compressed = doubled(this.#compressed);
      this.#uncompressed = doubled(this.#uncompressed);
    }
    // The first block is never written and is taken to be at 0.
    this.#compressed[this.#count] = this.#count === 0 ? 0 : compressed;
    this.#uncompressed[this.#count++] = this.#textBytes;
    this.#textBytes += textBytes;
  }

  finish(textBytes: number): BlockIndex {
    const count = Math.max(1, this.#count);
    return new BlockIndex(
      this.#compressed.slice(0, count),
      this.#uncompressed.slice(0, count),
      textBytes,
    );
  }
}

function doubled(values: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(2 * values.length);
  larger.set(values);
  return larger;
}

/** Tells every block with text from `begin` on. @returns the length of the text */
function scanFrom(
  source: ByteSource,
  begin: number,
  textBegin: number,
  onBlock: (compressed: number, textBytes: number) => void,
): number {
  const head = new Uint8Array(BGZF_HEADER_BYTES);
  const footer = new Uint8Array(4);
  let text = textBegin;
  for (let at = begin; at < source.byteLength; ) {
    readPart(source, at, at, head);
    const length = blockBytes(head, source.path, at);
    readPart(source, at, at + length - 4, footer);
    const bytes = textBytesOf(footer, source.path, at);
    if (bytes > 0) onBlock(at, bytes);
    text += bytes;
    at += length;
  }
  return text;
}

function badGzi(path: string, expected: string, found: string, offset: number): FormatError {
  return new FormatError("bad-gzi", `expected ${expected}, found ${found}`, {
    path,
    offset,
    suggestions: ["make the index again: scdl fasta index FILE --overwrite"],
  });
}
