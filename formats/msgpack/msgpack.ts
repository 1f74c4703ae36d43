/**
 * MessagePack as Python's `msgpack.packb` and `unpackb` write and read it.
 *
 * Maps with text keys become objects, others a Map; bin becomes bytes; integers beyond 2^53 become
 * bigint; the timestamp extension becomes a Date, other extensions a {@link MsgpackExtension}.
 */
import { FormatError, InvalidArgumentError } from "../common/errors.ts";

export class MsgpackExtension {
  /** -128 to 127; negative ones are the format's own. */
  readonly type: number;
  readonly data: Uint8Array;

  constructor(type: number, data: Uint8Array) {
    this.type = type;
    this.data = data;
  }
}

const MAX_DEPTH = 512;
const TIMESTAMP = -1;
/** The longest thing written in one go: a code, eight bytes, and the type of an extension. */
const MAX_HEAD_BYTES = 10;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes one value that fills `bytes`; byte strings in it are copies. @throws FormatError */
export function decodeMsgpack(bytes: Uint8Array, path: string): unknown {
  const decoder = new Decoder(bytes, path);
  const value = decoder.value(0);
  decoder.assertEnd();
  return value;
}

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #path: string;
  #at = 0;

  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#path = path;
  }

  assertEnd(): void {
    if (this.#at === this.#bytes.byteLength) return;
    throw this.#error("trailing-data", "expected nothing after the msgpack value");
  }

  value(depth: number): unknown {
    const code = this.#view.getUint8(this.#take(1));
    if (code < 0x80) return code;
    if (code >= 0xe0) return code - 0x100;
    if (code < 0x90) return this.#map(code & 0x0f, depth);
    if (code < 0xa0) return this.#array(code & 0x0f, depth);
    if (code < 0xc0) return this.#text(code & 0x1f);
    switch (code) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#slice(this.#uint8());
      case 0xc5:
        return this.#slice(this.#uint16());
      case 0xc6:
        return this.#slice(this.#uint32());
      case 0xc7:
        return this.#extension(this.#uint8());
      case 0xc8:
        return this.#extension(this.#uint16());
      case 0xc9:
        return this.#extension(this.#uint32());
      case 0xca:
        return this.#view.getFloat32(this.#take(4));
      case 0xcb:
        return this.#view.getFloat64(this.#take(8));
      case 0xcc:
        return this.#uint8();
      case 0xcd:
        return this.#uint16();
      case 0xce:
        return this.#uint32();
      case 0xcf:
        return narrow(this.#view.getBigUint64(this.#take(8)));
      case 0xd0:
        return this.#view.getInt8(this.#take(1));
      case 0xd1:
        return this.#view.getInt16(this.#take(2));
      case 0xd2:
        return this.#view.getInt32(this.#take(4));
      case 0xd3:
        return narrow(this.#view.getBigInt64(this.#take(8)));
      case 0xd9:
        return this.#text(this.#uint8());
      case 0xda:
        return this.#text(this.#uint16());
      case 0xdb:
        return this.#text(this.#uint32());
      case 0xdc:
        return this.#array(this.#uint16(), depth);
      case 0xdd:
        return this.#array(this.#uint32(), depth);
      case 0xde:
        return this.#map(this.#uint16(), depth);
      case 0xdf:
        return this.#map(this.#uint32(), depth);
      case 0xc1:
        throw this.#error("bad-msgpack", "expected a msgpack type, found the unused code 0xc1");
      default:
        // 0xd4 to 0xd8: extensions of 1, 2, 4, 8 and 16 bytes.
        return this.#extension(2 ** (code - 0xd4));
    }
  }

  #array(length: number, depth: number): unknown[] {
    this.#assertRoom(length, depth);
    const values: unknown[] = [];
    for (let i = 0; i < length; i++) values.push(this.value(depth + 1));
    return values;
  }

  #map(length: number, depth: number): Record<string, unknown> | Map<unknown, unknown> {
    this.#assertRoom(2 * length, depth);
    const entries: [unknown, unknown][] = [];
    let allText = true;
    for (let i = 0; i < length; i++) {
      const key = this.value(depth + 1);
      allText &&= typeof key === "string";
      entries.push([key, this.value(depth + 1)]);
    }
    // fromEntries defines properties, so that the key "__proto__" is one like any other.
    return allText ? Object.fromEntries(entries) : new Map(entries);
  }

  #extension(length: number): unknown {
    const type = this.#view.getInt8(this.#take(1));
    const data = this.#slice(length);
    return type === TIMESTAMP ? this.#timestamp(data) : new MsgpackExtension(type, data);
  }

  #timestamp(data: Uint8Array): Date {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    let seconds: number;
    let nanoseconds = 0;
    if (data.byteLength === 4) {
      seconds = view.getUint32(0);
    } else if (data.byteLength === 8) {
      const both = view.getBigUint64(0);
      seconds = Number(both & 0x3_ffff_ffffn);
      nanoseconds = Number(both >> 34n);
    } else if (data.byteLength === 12) {
      nanoseconds = view.getUint32(0);
      seconds = Number(view.getBigInt64(4));
    } else {
      throw this.#error("bad-msgpack", `expected a timestamp, found ${data.byteLength} bytes`);
    }
    return new Date(seconds * 1000 + nanoseconds / 1e6);
  }

  #text(length: number): string {
    const begin = this.#take(length);
    const bytes = this.#bytes.subarray(begin, begin + length);
    try {
      return UTF8.decode(bytes);
    } catch (cause) {
      throw this.#error("bad-text", "expected UTF-8 text", cause);
    }
  }

  #slice(length: number): Uint8Array {
    const begin = this.#take(length);
    return this.#bytes.slice(begin, begin + length);
  }

  #uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  #uint16(): number {
    return this.#view.getUint16(this.#take(2));
  }
  #uint32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  /** Every item takes a byte at least, so a count beyond the rest is a lie. */
  #assertRoom(items: number, depth: number): void {
    if (depth >= MAX_DEPTH) {
      throw this.#error("too-deep", `expected at most ${MAX_DEPTH} levels of msgpack`);
    }
    if (items > this.#bytes.byteLength - this.#at) throw this.#truncated(items);
  }

  #take(count: number): number {
    const begin = this.#at;
    if (count > this.#bytes.byteLength - begin) throw this.#truncated(count);
    this.#at = begin + count;
    return begin;
  }

  #truncated(count: number): FormatError {
    const rest = this.#bytes.byteLength - this.#at;
    return this.#error("truncated", `expected ${count} more bytes of msgpack, found ${rest}`);
  }

  #error(code: string, message: string, cause?: unknown): FormatError {
    return new FormatError(code, message, { path: this.#path, offset: this.#at, cause });
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * Encodes as `msgpack.packb` does: the shortest form of integers, float64 for other numbers, bin for
 * byte arrays. Integral numbers are written as integers. Maps keep their order.
 * @throws InvalidArgumentError for what msgpack cannot say: functions, undefined, cycles, bigint
 *   beyond 64 bits, typed arrays other than bytes.
 */
export function encodeMsgpack(value: unknown): Uint8Array<ArrayBuffer> {
  const encoder = new Encoder();
  encoder.value(value, 0);
  return encoder.finish();
}

class Encoder {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#at);
  }

  value(value: unknown, depth: number): void {
    if (depth > MAX_DEPTH) throw refused(value, `more than ${MAX_DEPTH} levels, or a cycle`);
    this.#grow(MAX_HEAD_BYTES);
    if (value === null) {
      this.#byte(0xc0);
      return;
    }
    switch (typeof value) {
      case "boolean": {
        this.#byte(value ? 0xc3 : 0xc2);
        return;
      }
      case "number": {
        this.#number(value);
        return;
      }
      case "bigint": {
        this.#bigint(value);
        return;
      }
      case "string": {
        this.#text(value);
        return;
      }
      case "object": {
        this.#object(value, depth);
        return;
      }
      default:
        throw refused(value, typeof value);
    }
  }

  #object(value: object, depth: number): void {
    if (value instanceof Uint8Array) {
      this.#binary(value);
      return;
    }
    if (Array.isArray(value)) {
      this.#head(value.length, 0x90, 16, null, 0xdc);
      for (const item of value) this.value(item, depth + 1);
      return;
    }
    if (value instanceof MsgpackExtension) {
      this.#extension(value);
      return;
    }
    if (value instanceof Map) {
      this.#map([...value], depth);
      return;
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw refused(value, `a ${value.constructor.name}`);
    }
    this.#map(Object.entries(value), depth);
  }

  #map(entries: readonly (readonly [unknown, unknown])[], depth: number): void {
    this.#head(entries.length, 0x80, 16, null, 0xde);
    for (const [key, item] of entries) {
      this.value(key, depth + 1);
      this.value(item, depth + 1);
    }
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#view.setFloat64(this.#reserve(9, 0xcb), value);
    } else if (value >= 0) {
      if (value < 0x80) this.#byte(value);
      else if (value <= 0xff) this.#view.setUint8(this.#reserve(2, 0xcc), value);
      else if (value <= 0xffff) this.#view.setUint16(this.#reserve(3, 0xcd), value);
      else if (value <= 0xffff_ffff) this.#view.setUint32(this.#reserve(5, 0xce), value);
      else this.#view.setBigUint64(this.#reserve(9, 0xcf), BigInt(value));
    } else if (value >= -0x20) this.#byte(value & 0xff);
    else if (value >= -0x80) this.#view.setInt8(this.#reserve(2, 0xd0), value);
    else if (value >= -0x8000) this.#view.setInt16(this.#reserve(3, 0xd1), value);
    else if (value >= -0x8000_0000) this.#view.setInt32(this.#reserve(5, 0xd2), value);
    else this.#view.setBigInt64(this.#reserve(9, 0xd3), BigInt(value));
  }

  #bigint(value: bigint): void {
    const number = Number(value);
    if (Number.isSafeInteger(number)) {
      this.#number(number);
    } else if (value >= 0n && value < 2n ** 64n) {
      this.#view.setBigUint64(this.#reserve(9, 0xcf), value);
    } else if (value < 0n && value >= -(2n ** 63n)) {
      this.#view.setBigInt64(this.#reserve(9, 0xd3), value);
    } else {
      throw refused(value, "an integer beyond 64 bits");
    }
  }

  #text(text: string): void {
    const bytes = Buffer.from(text, "utf8");
    this.#head(bytes.length, 0xa0, 32, 0xd9, 0xda);
    this.#append(bytes);
  }

  #binary(bytes: Uint8Array): void {
    this.#head(bytes.length, 0, 0, 0xc4, 0xc5);
    this.#append(bytes);
  }

  #extension({ type, data }: MsgpackExtension): void {
    const fixed = [1, 2, 4, 8, 16].indexOf(data.length);
    if (fixed >= 0) this.#byte(0xd4 + fixed);
    else this.#head(data.length, 0, 0, 0xc7, 0xc8);
    this.#byte(type & 0xff);
    this.#append(data);
  }

  /** `code8` and `code16` with 8 and 16 bits of length; the code after `code16` has 32. */
  #head(
    length: number,
    fixedCode: number,
    fixedEnd: number,
    code8: number | null,
    code16: number,
  ): void {
    if (length < fixedEnd) this.#byte(fixedCode | length);
    else if (code8 !== null && length <= 0xff) this.#view.setUint8(this.#reserve(2, code8), length);
    else if (length <= 0xffff) this.#view.setUint16(this.#reserve(3, code16), length);
    else if (length <= 0xffff_ffff) this.#view.setUint32(this.#reserve(5, code16 + 1), length);
    else throw refused(length, `${length} items or bytes`);
  }

  #append(bytes: Uint8Array): void {
    this.#grow(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** There is room: see {@link value}. */
  #byte(byte: number): void {
    this.#bytes[this.#at++] = byte;
  }

  /** `count` bytes of which `code` is the first; returns where the second goes. */
  #reserve(count: number, code: number): number {
    const at = this.#at;
    this.#bytes[at] = code;
    this.#at += count;
    return at + 1;
  }

  #grow(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at + count));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

function refused(value: unknown, found: string): InvalidArgumentError {
  return new InvalidArgumentError(
    "value",
    value,
    `expected null, boolean, number, text, bytes, array, object or Map for msgpack, found ${found}`,
  );
}
