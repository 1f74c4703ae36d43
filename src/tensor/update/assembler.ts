/** Encodes small WebAssembly modules: functions over one imported shared memory, nothing else. */

/** Value types. */
export const I32 = 0x7f;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;

/** Instructions by their bytes. */
export const op = {
  get: (local: number) => [0x20, ...unsigned(local)],
  set: (local: number) => [0x21, ...unsigned(local)],
  i32: (value: number) => [0x41, ...signed(value)],
  addI32: [0x6a],
  subI32: [0x6b],
  addF64: [0xa0],
  load: [0xfd, 0x00, 4, 0],
  store: [0xfd, 0x0b, 4, 0],
  /** Lanes 2 and 3 of a vector as lanes 0 and 1. */
  highHalf: [0xfd, 0x0d, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15],
  constant: (lanes: Int32Array) => [0xfd, 0x0c, ...new Uint8Array(lanes.buffer)],
  splatI16: [0xfd, 0x10],
  splatI32: [0xfd, 0x11],
  geU16: [0xfd, 0x36],
  and: [0xfd, 0x4e],
  xor: [0xfd, 0x51],
  /** Two vectors of signed 16-bit lanes as one of bytes. */
  narrow: [0xfd, 0x65],
  /** The highest bits of 16 bytes. */
  bitmask: [0xfd, 0x64],
  storeI16: [0x3b, 1, 0],
  shiftRight: (bits: number) => [0x41, bits, 0xfd, 0xad, 0x01],
  addI32x4: [0xfd, 0xae, 0x01],
  mulI32x4: [0xfd, 0xb5, 0x01],
  splat: [0xfd, 0x13],
  splatF64: [0xfd, 0x14],
  laneF64: (lane: number) => [0xfd, 0x21, lane],
  promoteLow: [0xfd, 0x5f],
  sqrt: [0xfd, 0xe3, 0x01],
  add: [0xfd, 0xe4, 0x01],
  sub: [0xfd, 0xe5, 0x01],
  mul: [0xfd, 0xe6, 0x01],
  div: [0xfd, 0xe7, 0x01],
  addF64x2: [0xfd, 0xf0, 0x01],
  mulF64x2: [0xfd, 0xf2, 0x01],
  constF64: (value: number) => [0x44, ...new Uint8Array(Float64Array.of(value).buffer)],
  /** Repeats the body until the local, counted down by it, is 0; it runs at least once. */
  loopWhile: (local: number, body: readonly number[]) => [
    ...[0x03, 0x40],
    ...body,
    ...[0x20, ...unsigned(local)],
    ...[0x0d, 0x00, 0x0b],
  ],
} as const;

export interface WasmFunction {
  readonly name: string;
  readonly parameters: readonly number[];
  readonly results: readonly number[];
  /** Types of locals after the parameters. */
  readonly locals: readonly number[];
  readonly body: readonly number[];
}

/** The bytes of a module that imports `host.memory` (shared) and exports the functions. */
export function assemble(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters, results }) => [
    0x60,
    ...list(parameters.map((type) => [type])),
    ...list(results.map((type) => [type])),
  ]);
  const memory = [
    ...text("host"),
    ...text("memory"),
    0x02,
    0x03,
    ...unsigned(1),
    ...unsigned(65_536),
  ];
  const exports = functions.map(({ name }, at) => [...text(name), 0x00, ...unsigned(at)]);
  const codes = functions.map(({ locals, body }) => {
    const code = [...list(locals.map((type) => [1, type])), ...body, 0x0b];
    return [...unsigned(code.length), ...code];
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, list(types)),
    ...section(2, list([memory])),
    ...section(3, list(functions.map((_, at) => unsigned(at)))),
    ...section(7, list(exports)),
    ...section(10, list(codes)),
  ]);
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function list(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function text(value: string): number[] {
  return list([...Buffer.from(value)].map((byte) => [byte]));
}

/** LEB128 */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    const last = rest >= -64 && rest < 64;
    bytes.push(last ? rest & 0x7f : (rest & 0x7f) | 0x80);
    if (last) return bytes;
  }
}
