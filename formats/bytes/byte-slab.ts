import { markAsUntransferable } from "node:worker_threads";

const SLAB_BYTES = 16 << 10;
/** Longer pieces get memory of their own. */
const LONGEST_PIECE = 4 << 10;

/**
 * Memory for many short copies: an ArrayBuffer for each costs four times what the copy does. Pieces
 * do not overlap; their buffer is shared, so that it cannot be transferred to another thread.
 */
export class ByteSlab {
  #buffer = new ArrayBuffer(0);
  #at = 0;

  /** New bytes, zero or not. */
  take(byteLength: number): Uint8Array<ArrayBuffer> {
    if (byteLength > LONGEST_PIECE) return new Uint8Array(byteLength);
    if (this.#at + byteLength > this.#buffer.byteLength) {
      this.#buffer = new ArrayBuffer(SLAB_BYTES);
      markAsUntransferable(this.#buffer);
      this.#at = 0;
    }
    const piece = new Uint8Array(this.#buffer, this.#at, byteLength);
    this.#at += byteLength;
    return piece;
  }
}
