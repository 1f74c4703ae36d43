/** The few wire types of protocol buffers that event files need. */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

export function varintField(field: number, value: number): Uint8Array {
  return Uint8Array.from([...varint(field * 8 + VARINT), ...varint(value)]);
}

export function doubleField(field: number, value: number): Uint8Array {
  return fixed(field * 8 + FIXED64, new Uint8Array(Float64Array.of(value).buffer));
}

export function floatField(field: number, value: number): Uint8Array {
  return fixed(field * 8 + FIXED32, new Uint8Array(Float32Array.of(value).buffer));
}

export function textField(field: number, text: string): Uint8Array {
  return bytesField(field, Buffer.from(text, "utf8"));
}

/** A message inside a message, or raw bytes. */
export function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([
    Uint8Array.from([...varint(field * 8 + BYTES), ...varint(bytes.length)]),
    bytes,
  ]);
}

export function message(...fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields);
}

function fixed(key: number, bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([...varint(key), ...bytes]);
}

/** Base 128, least first. `value` is a whole number of 0 to 2^53 - 1. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}
