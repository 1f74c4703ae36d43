import { assertInside, type ByteSource, closedError } from "./byte-source.ts";

/** A byte source over memory the caller owns and keeps unchanged. */
export class MemorySource implements ByteSource {
  readonly kind = "memory";
  readonly identity = "memory";
  readonly path: string;
  readonly byteLength: number;
  readonly advice = null;
  #bytes: Uint8Array;
  #closed = false;

  constructor(bytes: Uint8Array, path = "memory") {
    this.#bytes = bytes;
    this.path = path;
    this.byteLength = bytes.byteLength;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  readInto(offset: number, target: Uint8Array): void {
    this.check();
    assertInside(this, offset, target.byteLength);
    target.set(this.#bytes.subarray(offset, offset + target.byteLength));
  }

  check(): void {
    if (this.#closed) throw closedError(this.path);
  }

  close(): void {
    this.#closed = true;
    this.#bytes = new Uint8Array(0);
  }
}
