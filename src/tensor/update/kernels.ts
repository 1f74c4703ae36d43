import { assemble, F32, F64, I32, op, V128, type WasmFunction } from "./assembler.ts";
import { type SharedMemory, type WasmModule, wasm } from "./webassembly.ts";

/** Vector code over one memory; addresses in bytes, counts in elements, multiples of 4 above 0. */
export interface Kernels {
  readonly squares: (address: number, count: number) => number;
  readonly adam: (
    value: number,
    gradient: number,
    first: number,
    second: number,
    count: number,
    gradientFactor: number,
    beta1: number,
    rest1: number,
    beta2: number,
    rest2: number,
    rate: number,
    shrink: number,
    coupled: number,
    correction2: number,
    epsilon: number,
  ) => void;
}

const { get, set, i32 } = op;

/** Moves addresses on by one vector and counts down. */
function advance(addresses: readonly number[], count: number): number[] {
  const moved = addresses.flatMap((local) => [
    ...get(local),
    ...i32(16),
    ...op.addI32,
    ...set(local),
  ]);
  return [...moved, ...get(count), ...i32(4), ...op.subI32, ...set(count)];
}

/** Sum of squares in float64: two lanes, summed at the end. */
const SQUARES: WasmFunction = (() => {
  const [address, count, x, wide, sums] = [0, 1, 2, 3, 4] as const;
  const addSquares = (half: readonly number[]) => [
    ...[...get(x), ...half, ...op.promoteLow, ...set(wide)],
    ...[...get(sums), ...get(wide), ...get(wide), ...op.mulF64x2, ...op.addF64x2, ...set(sums)],
  ];
  const body = [
    ...[...op.constF64(0), ...op.splatF64, ...set(sums)],
    ...op.loopWhile(count, [
      ...[...get(address), ...op.load, ...set(x)],
      ...addSquares([]),
      ...addSquares([...get(x), ...op.highHalf]),
      ...advance([address], count),
    ]),
    ...[...get(sums), ...op.laneF64(0), ...get(sums), ...op.laneF64(1), ...op.addF64],
  ];
  return {
    name: "squares",
    parameters: [I32, I32],
    results: [F64],
    locals: [V128, V128, V128],
    body,
  };
})();

/** The formulas of `optimizer.ts` in float32. */
const ADAM: WasmFunction = (() => {
  const [value, gradient, first, second, count] = [0, 1, 2, 3, 4] as const;
  // Scalars 5 to 14 are spread to vectors 15 to 24.
  const vector = (place: number) => get(15 + place);
  const [factor, beta1, rest1, beta2, rest2] = [0, 1, 2, 3, 4].map(vector);
  const [rate, shrink, coupled, correction2, epsilon = []] = [5, 6, 7, 8, 9].map(vector);
  const [p, g, m, v] = [25, 26, 27, 28] as const;
  const spread = Array.from({ length: 10 }, (_, place) => [
    ...[...get(5 + place), ...op.splat, ...set(15 + place)],
  ]).flat();
  const load = (address: number) => [...get(address), ...op.load];
  const times = (a: readonly number[] = [], b: readonly number[] = []) => [...a, ...b, ...op.mul];
  const body = [
    ...spread,
    ...op.loopWhile(count, [
      ...[...load(value), ...set(p)],
      ...[...times(load(gradient), factor), ...times(coupled, get(p)), ...op.add, ...set(g)],
      ...[...times(load(first), beta1), ...times(get(g), rest1), ...op.add, ...set(m)],
      ...[
        ...times(load(second), beta2),
        ...times(times(get(g), get(g)), rest2),
        ...op.add,
        ...set(v),
      ],
      ...[...get(first), ...get(m), ...op.store, ...get(second), ...get(v), ...op.store],
      ...[...get(value), ...times(get(p), shrink), ...times(get(m), rate)],
      ...[...times([...get(v), ...op.sqrt], correction2), ...epsilon, ...op.add, ...op.div],
      ...[...op.sub, ...op.store],
      ...advance([value, gradient, first, second], count),
    ]),
  ];
  const parameters = [I32, I32, I32, I32, I32, ...Array.from({ length: 10 }, () => F32)];
  return {
    name: "adam",
    parameters,
    results: [],
    locals: Array.from({ length: 14 }, () => V128),
    body,
  };
})();

let compiled: WasmModule | undefined;

/** The kernels over a memory of a state. */
export function kernelsOver(memory: SharedMemory): Kernels {
  compiled ??= new wasm.Module(assemble([SQUARES, ADAM]));
  const { exports } = new wasm.Instance(compiled, { host: { memory } });
  return exports as unknown as Kernels; // proof: the module exports these two functions
}
