import { type DropoutKey, dropoutKeys, dropoutThreshold } from "../dropout-bits.ts";
import { assemble, I32, op, V128, type WasmFunction } from "./assembler.ts";
import { type SharedMemory, wasm } from "./webassembly.ts";

const { get, set, i32 } = op;
/** Elements whose bits fill the memory: a page. */
const BLOCK = 524_288;
/** A vector of words gives 8 elements; a turn of the loop makes two, whose bits are one number. */
const TURN = 16;

/** `fill(count, k0, k1, threshold)`: bits from address 0, `k0` moved on to the first word. */
const FILL: WasmFunction = (() => {
  const [count, k0, k1, threshold, address] = [0, 1, 2, 3, 4] as const;
  const [counter, key, limit, z, low] = [5, 6, 7, 8, 9] as const;
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
  const body = [
    ...[...get(k0), ...op.splatI32, ...op.constant(Int32Array.of(0, 1, 2, 3)), ...op.addI32x4],
    ...[...set(counter), ...get(k1), ...op.splatI32, ...set(key)],
    ...[...get(threshold), ...op.splatI16, ...set(limit)],
    ...op.loopWhile(count, [
      ...[...lanes, ...set(low), ...get(address), ...get(low), ...lanes, ...op.narrow],
      ...[...op.bitmask, ...op.storeI16],
      ...[...get(address), ...i32(2), ...op.addI32, ...set(address)],
      ...[...get(count), ...i32(TURN), ...op.subI32, ...set(count)],
    ]),
  ];
  const locals = [I32, V128, V128, V128, V128, V128];
  return { name: "fill", parameters: [I32, I32, I32, I32], results: [], locals, body };
})();

interface Filler {
  readonly memory: SharedMemory;
  readonly fill: (count: number, k0: number, k1: number, threshold: number) => void;
}

let filler: Filler | undefined;

/**
 * {@link fillDropoutMask} with 16 elements in a number, the first in its lowest bit, by vector code.
 * The mask ends with the last number.
 */
export function fillDropoutBits(bits: Uint16Array, rate: number, key: DropoutKey): void {
  const threshold = dropoutThreshold(rate);
  if (threshold > 0xffff) {
    bits.fill(0);
    return;
  }
  filler ??= createFiller();
  const { k0, k1 } = dropoutKeys(key);
  const made = new Uint16Array(filler.memory.buffer);
  for (let begin = 0; begin < bits.length; begin += BLOCK / TURN) {
    const numbers = Math.min(BLOCK / TURN, bits.length - begin);
    filler.fill(numbers * TURN, (k0 + (begin * TURN) / 2) | 0, k1, threshold);
    bits.set(made.subarray(0, numbers), begin);
  }
}

function createFiller(): Filler {
  const memory = new wasm.Memory({ initial: 1, maximum: 1, shared: true });
  const module = new wasm.Module(assemble([FILL]));
  const { exports } = new wasm.Instance(module, { host: { memory } });
  return { memory, ...(exports as Pick<Filler, "fill">) }; // proof: the module exports it
}
