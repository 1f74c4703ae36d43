/**
 * Thrift's compact protocol as a generic tree: enough to read a parquet footer, change offsets in
 * it and write it back without knowing every field a newer writer may have added.
 *
 * Counts are checked against the bytes left and nesting is limited, so a hostile footer ends in a
 * FormatError after work proportional to its size.
 */
import { FormatError } from "../common/errors.ts";

export type ThriftValue = boolean | number | bigint | Uint8Array | ThriftList | ThriftStruct;

export interface ThriftList {
  readonly elementType: number;
  readonly items: ThriftValue[];
}

/** Field id to value with its wire type. */
export type ThriftStruct = Map<number, ThriftField>;

export interface ThriftField {
  readonly type: number;
  readonly value: ThriftValue;
}

export const ThriftType = {
  true: 1,
  false: 2,
  i8: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  map: 11,
  struct: 12,
} as const;

const MAX_DEPTH = 32;

/** Decodes one struct from the start of `bytes`. */
export function decodeThrift(bytes: Uint8Array, path: string): ThriftStruct {
  return new ThriftReader(bytes, path).struct(0);
}

export function encodeThrift(struct: ThriftStruct): Uint8Array {
  const writer = new ThriftWriter();
  writer.struct(struct);
  return writer.finish();
}

class ThriftReader {
  readonly #bytes: Uint8Array;
  readonly #path: string;
  #at = 0;

  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes;
    this.#path = path;
  }

  #fail(message: string): never {
    throw new FormatError("bad-footer", `parquet footer: ${message}`, {
      path: this.#path,
      offset: this.#at,
    });
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) this.#fail("ends in the middle of a value");
    this.#at++;
    return byte;
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return this.#fail("has an integer longer than 64 bits");
  }

  #zigzag(): number | bigint {
    // Five bytes hold nearly every number of a footer; those need no bigint.
    let value = 0;
    let factor = 1;
    const begin = this.#at;
    for (let i = 0; i < 7; i++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      factor *= 128;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    this.#at = begin;
    const wide = this.#varint();
    const signed = (wide >> 1n) ^ -(wide & 1n);
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
  }

  #length(): number {
    const length = Number(this.#varint());
    if (length > this.#bytes.byteLength - this.#at) {
      this.#fail(
        `claims ${length} bytes or items where ${this.#bytes.byteLength - this.#at} bytes are left`,
      );
    }
    return length;
  }

  struct(depth: number): ThriftStruct {
    if (depth > MAX_DEPTH) this.#fail(`is nested deeper than ${MAX_DEPTH}`);
    const fields: ThriftStruct = new Map();
    let id = 0;
    for (;;) {
      const head = this.#byte();
      const type = head & 0x0f;
      if (type === 0) return fields;
      id = head >> 4 === 0 ? Number(this.#zigzag()) : id + (head >> 4);
      const value =
        type === ThriftType.true || type === ThriftType.false
          ? type === ThriftType.true
          : this.#value(type, depth + 1);
      fields.set(id, { type, value });
    }
  }

  #value(type: number, depth: number): ThriftValue {
    switch (type) {
      case ThriftType.true:
      case ThriftType.false:
        return this.#byte() === 1;
      case ThriftType.i8:
        return (this.#byte() << 24) >> 24;
      case ThriftType.i16:
      case ThriftType.i32:
      case ThriftType.i64:
        return this.#zigzag();
      case ThriftType.double:
        return this.#raw(8);
      case ThriftType.binary:
        return this.#raw(this.#length());
      case ThriftType.list:
      case ThriftType.set:
        return this.#list(depth);
      case ThriftType.struct:
        return this.struct(depth);
      default:
        return this.#fail(`has a value of unknown type ${type}`);
    }
  }

  #raw(byteLength: number): Uint8Array {
    if (byteLength > this.#bytes.byteLength - this.#at) this.#fail("ends in the middle of a value");
    this.#at += byteLength;
    return this.#bytes.subarray(this.#at - byteLength, this.#at);
  }

  #list(depth: number): ThriftList {
    if (depth > MAX_DEPTH) this.#fail(`is nested deeper than ${MAX_DEPTH}`);
    const head = this.#byte();
    const elementType = head & 0x0f;
    const count = head >> 4 === 15 ? this.#length() : head >> 4;
    const items: ThriftValue[] = [];
    for (let i = 0; i < count; i++) items.push(this.#value(elementType, depth + 1));
    return { elementType, items };
  }
}

class ThriftWriter {
  #bytes = new Uint8Array(4096);
  #at = 0;

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  #room(byteLength: number): void {
    if (this.#at + byteLength <= this.#bytes.byteLength) return;
    const grown = new Uint8Array(2 * (this.#at + byteLength));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }

  #byte(byte: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = byte;
  }

  #varint(value: number | bigint): void {
    let rest = BigInt(value);
    for (; rest > 127n; rest >>= 7n) this.#byte(Number(rest & 0x7fn) | 0x80);
    this.#byte(Number(rest));
  }

  #zigzag(value: number | bigint): void {
    const wide = BigInt(value);
    this.#varint(wide < 0n ? -2n * wide - 1n : 2n * wide);
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.byteLength);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.byteLength;
  }

  struct(struct: ThriftStruct): void {
    let previous = 0;
    const inOrder = [...struct].sort(([a], [b]) => a - b);
    for (const [id, { type, value }] of inOrder) {
      const wire = typeof value === "boolean" ? (value ? ThriftType.true : ThriftType.false) : type;
      if (id > previous && id - previous <= 15) {
        this.#byte(((id - previous) << 4) | wire);
      } else {
        this.#byte(wire);
        this.#zigzag(id);
      }
      previous = id;
      if (typeof value !== "boolean") this.#value(value, type);
    }
    this.#byte(0);
  }

  #value(value: ThriftValue, type: number): void {
    if (typeof value === "boolean") {
      this.#byte(value ? ThriftType.true : ThriftType.false);
    } else if (typeof value === "number" || typeof value === "bigint") {
      if (type === ThriftType.i8) this.#byte(Number(value) & 0xff);
      else this.#zigzag(value);
    } else if (value instanceof Uint8Array) {
      if (type === ThriftType.binary) this.#varint(value.byteLength);
      this.#raw(value);
    } else if (value instanceof Map) {
      this.struct(value);
    } else {
      const { elementType, items } = value;
      if (items.length < 15) {
        this.#byte((items.length << 4) | elementType);
      } else {
        this.#byte(0xf0 | elementType);
        this.#varint(items.length);
      }
      for (const item of items) this.#value(item, elementType);
    }
  }
}
