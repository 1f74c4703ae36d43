/**
 * Reads MessagePack as Python's `msgpack.unpackb` does, and nothing that is not MessagePack.
 *
 * The package that writes (`encode.ts`) is not used to read: it replaces text that is not UTF-8,
 * renames the key `__proto__`, and builds regular expressions and errors from extensions of its own.
 *
 * Maps with text keys become objects, others a Map; bin becomes bytes; integers beyond 2^53 become
 * bigint; the timestamp extension becomes a Date, other extensions a {@link MsgpackExtension}.
 */
import { FormatError } from "../common/errors.ts";

/** Levels of arrays and maps that are read and written. */
export const MAX_DEPTH = 512;
const TIMESTAMP = -1;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A value of a type that the format leaves to applications. */
export class MsgpackExtension {
  /** -128 to 127; negative ones are the format's own. */
  readonly type: number;
  readonly data: Uint8Array;

  constructor(type: number, data: Uint8Array) {
    this.type = type;
    this.data = data;
  }
}

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
