import {
  type DropoutKey,
  dropoutKeys,
  dropoutThreshold,
  fillDropoutMask,
} from "../dropout-bits.ts";
import { assemble, I32, op, V128, type WasmFunction } from "./assembler.ts";
import { type SharedMemory, wasm } from "./webassembly.ts";

const { get, set, i32 } = op;
/** Bytes of the memory that is filled at a time: a page. */
const PAGE = 65_536;
/** A vector of words gives 8 elements; a turn of the loop makes two. */
const TURN = 16;

/**
 * `NAME(count, k0, k1, threshold)`: elements from address 0, `k0` moved on to the first word; bytes 0
 * and 1, or one 16-bit number a turn.
 */
function filling(name: "bytes" | "bits"): WasmFunction {
  const [count, k0, k1, threshold, address] = [0, 1, 2, 3, 4] as const;
  const [counter, key, limit, ones, z, low] = [5, 6, 7, 8, 9, 10] as const;
  const shifted = (bits: number) => [...[...get(z), ...get(z), ...op.shiftRight(bits), ...op.xor]];
  const times = (factor: number) => [...i32(factor | 0), ...op.splatI32, ...op.mulI32x4, ...set(z)];
  const mix = [
    ...[...shifted(16), ...times(0x85eb_ca6b)],
    ...[...shifted(13), ...times(0xc2b2_ae35)],
    ...[...shifted(16), ...set(z)],
  ];
  const lanes = [
    ...[...get(counter), ...set(z), ...mix],
    ...[...get(z), ...get(key), ...op.xor, ...set(z), ...mix],
    ...[...get(counter), ...i32(4), ...op.splatI32, ...op.addI32x4, ...set(counter)],
    ...[...get(z), ...get(limit), ...op.geU16],
  ];
  const stored =
    name === "bytes" ? [...get(ones), ...op.and, ...op.store] : [...op.bitmask, ...op.storeI16];
  const body = [
    ...[...get(k0), ...op.splatI32, ...op.constant(Int32Array.of(0, 1, 2, 3)), ...op.addI32x4],
    ...[...set(counter), ...get(k1), ...op.splatI32, ...set(key)],
    ...[...get(threshold), ...op.splatI16, ...set(limit)],
    ...[...op.constant(new Int32Array(4).fill(0x0101_0101)), ...set(ones)],
    ...op.loopWhile(count, [
      ...[...lanes, ...set(low), ...get(address), ...get(low), ...lanes, ...op.narrow, ...stored],
      ...[...get(address), ...i32(name === "bytes" ? TURN : 2), ...op.addI32, ...set(address)],
      ...[...get(count), ...i32(TURN), ...op.subI32, ...set(count)],
    ]),
  ];
  const locals = [I32, V128, V128, V128, V128, V128, V128];
  return { name, parameters: [I32, I32, I32, I32], results: [], locals, body };
}

type Fill = (count: number, k0: number, k1: number, threshold: number) => void;

interface Filler {
  readonly memory: SharedMemory;
  readonly bytes: Fill;
  readonly bits: Fill;
}

let filler: Filler | undefined;

/** {@link fillDropoutMask}, the same bits, with vector code. */
export function fillDropoutMaskFast(mask: Uint8Array, rate: number, key: DropoutKey): void {
  const threshold = dropoutThreshold(rate);
  if (threshold > 0xffff || mask.length < TURN) {
    fillDropoutMask(mask, rate, key);
    return;
  }
  filler ??= createFiller();
  const { k0, k1 } = dropoutKeys(key);
  const made = new Uint8Array(filler.memory.buffer);
  for (let begin = 0; begin < mask.length; begin += PAGE) {
    const count = Math.min(PAGE, mask.length - begin);
    filler.bytes(Math.ceil(count / TURN) * TURN, (k0 + begin / 2) | 0, k1, threshold);
    mask.set(made.subarray(0, count), begin);
  }
}

/**
 * The same mask with 16 elements in a number, the first in its lowest bit. It has as many elements
 * as the numbers have bits.
 *
 * @param first which number of the mask `bits` begins with
 */
export function fillDropoutBits(bits: Uint16Array, rate: number, key: DropoutKey, first = 0): void {
  const threshold = dropoutThreshold(rate);
  if (threshold > 0xffff) {
    bits.fill(0);
    return;
  }
  filler ??= createFiller();
  const { k0, k1 } = dropoutKeys(key);
  const made = new Uint16Array(filler.memory.buffer);
  for (let begin = 0; begin < bits.length; begin += made.length) {
    const numbers = Math.min(made.length, bits.length - begin);
    const word = ((first + begin) * TURN) / 2;
    filler.bits(numbers * TURN, (k0 + word) | 0, k1, threshold);
    bits.set(made.subarray(0, numbers), begin);
  }
}

function createFiller(): Filler {
  const memory = new wasm.Memory({ initial: 1, maximum: 1, shared: true });
  const module = new wasm.Module(assemble([filling("bytes"), filling("bits")]));
  const { exports } = new wasm.Instance(module, { host: { memory } });
  return { memory, ...(exports as Pick<Filler, "bytes" | "bits">) }; // proof: the module exports them
}
