/** Many small arrays travel together as buckets, large ones in parts: few messages of like size. */

/** 16 MiB. Smaller ones wait more often, larger ones leave less to copy during the sending. */
export const BUCKET_FLOATS = 4 << 20;

/** 1 MiB: arrays of this size are not worth copying together. */
const LARGE_FLOATS = 1 << 18;

/** Views of the arrays, in order, in groups of at most `floats` elements together. */
export function bucketsOf(
  arrays: readonly Float32Array[],
  floats: number = BUCKET_FLOATS,
): readonly (readonly Float32Array[])[] {
  const buckets: Float32Array[][] = [];
  let room = 0;
  for (const array of arrays) {
    for (let begin = 0; begin < array.length; ) {
      if (room === 0) {
        buckets.push([]);
        room = floats;
      }
      const end = Math.min(array.length, begin + room);
      buckets.at(-1)?.push(array.subarray(begin, end));
      room -= end - begin;
      begin = end;
    }
  }
  return buckets;
}

/**
 * Adds up arrays with `reduce`, which works in place: large ones as they are, small ones copied together.
 * The next bucket is filled and the last one emptied while one is under way.
 */
export class BucketReducer {
  readonly #reduce: (bucket: Float32Array) => Promise<void>;
  readonly #floats: number;
  #buffers: readonly [Float32Array, Float32Array] | null = null;

  constructor(
    reduce: (bucket: Float32Array) => Promise<void>,
    { floats = BUCKET_FLOATS }: { readonly floats?: number } = {},
  ) {
    this.#reduce = reduce;
    this.#floats = floats;
  }

  async allReduceSum(arrays: readonly Float32Array[]): Promise<void> {
    const isLarge = ({ length }: Float32Array) => length >= LARGE_FLOATS;
    for (const [part] of arrays
      .filter(isLarge)
      .flatMap((array) => bucketsOf([array], this.#floats))) {
      if (part !== undefined) await this.#reduce(part);
    }
    await this.#together(arrays.filter((array) => !isLarge(array)));
  }

  async #together(arrays: readonly Float32Array[]): Promise<void> {
    const buckets = bucketsOf(arrays, this.#floats);
    const total = arrays.reduce((sum, { length }) => sum + length, 0);
    const size = Math.min(this.#floats, total);
    let buffers = this.#buffers;
    if (buffers === null || buffers[0].length < size) {
      buffers = [new Float32Array(size), new Float32Array(size)];
      this.#buffers = buffers;
    }
    let last: { parts: readonly Float32Array[]; done: Promise<void>; from: Float32Array } | null =
      null;
    for (const [number, parts] of buckets.entries()) {
      const bucket = fill(buffers[number % 2 === 0 ? 0 : 1], parts);
      await last?.done;
      const done = this.#reduce(bucket);
      // Handled below, one round later.
      done.catch(() => {});
      if (last !== null) empty(last.from, last.parts);
      last = { parts, done, from: bucket };
    }
    await last?.done;
    if (last !== null) empty(last.from, last.parts);
  }
}

function fill(buffer: Float32Array, parts: readonly Float32Array[]): Float32Array {
  let at = 0;
  for (const part of parts) {
    buffer.set(part, at);
    at += part.length;
  }
  return buffer.subarray(0, at);
}

function empty(bucket: Float32Array, parts: readonly Float32Array[]): void {
  let at = 0;
  for (const part of parts) {
    part.set(bucket.subarray(at, at + part.length));
    at += part.length;
  }
}
