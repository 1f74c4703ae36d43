import { FormatError } from "../common/errors.ts";

/** HDF5's "undefined address". */
export const UNDEFINED_ADDRESS = Number.POSITIVE_INFINITY;

/**
 * Reads little-endian fields of a structure in order; running past its end is a FormatError that
 * names the place in the file.
 */
export class Cursor {
  readonly #view: DataView;
  readonly #path: string;
  /** Where byte 0 of the structure lies in the file. */
  readonly #base: number;
  position: number;

  constructor(bytes: Uint8Array, path: string, base: number, position = 0) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#path = path;
    this.#base = base;
    this.position = position;
  }

  get byteLength(): number {
    return this.#view.byteLength;
  }

  get remaining(): number {
    return this.#view.byteLength - this.position;
  }

  get offset(): number {
    return this.#base + this.position;
  }

  fail(code: string, message: string): FormatError {
    return new FormatError(code, message, { path: this.#path, offset: this.offset });
  }

  #take(count: number): number {
    const at = this.position;
    if (count < 0 || at + count > this.#view.byteLength) {
      throw this.fail("truncated", `an HDF5 structure ends ${count} bytes too early`);
    }
    this.position = at + count;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** An unsigned integer of `bytes` bytes; values past 2^53-1 are hostile. */
  uint(bytes: number): number {
    const at = this.#take(bytes);
    let value = 0;
    for (let i = bytes - 1; i >= 0; i--) value = value * 256 + this.#view.getUint8(at + i);
    if (value > Number.MAX_SAFE_INTEGER) {
      this.position = at;
      throw this.fail("count-out-of-range", "a 64-bit count is larger than 2^53-1");
    }
    return value;
  }

  u64(): number {
    return this.uint(8);
  }

  /** An 8-byte file address, {@link UNDEFINED_ADDRESS} when all bits are set. */
  address(): number {
    const at = this.position;
    const low = this.u32();
    const high = this.u32();
    if (low === 0xffff_ffff && high === 0xffff_ffff) return UNDEFINED_ADDRESS;
    this.position = at;
    return this.u64();
  }

  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, count);
  }

  text(count: number): string {
    return Buffer.from(this.bytes(count)).toString("latin1");
  }

  skip(count: number): void {
    this.#take(count);
  }
}
