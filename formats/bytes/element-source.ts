import { type DType, itemBytes, type NumericArray } from "../common/dtype.ts";
import { FormatError } from "../common/errors.ts";
import { float16Table } from "../common/float16.ts";
import type { ByteSource } from "./byte-source.ts";

/** Below this many elements a plain loop beats `subarray` + `set` (measured: 60 at 4 bytes). */
const LOOP_BELOW = 48;
/** Single ranges are read by position this many times before the file is taken into memory. */
const READS_BEFORE_MAP = 32;
/** Elements read at a time when they must be converted on the way. */
const SCRATCH_ELEMENTS = 65_536;

/** Arrays that take plain numbers. */
export type NumberArray = Exclude<NumericArray, BigInt64Array | BigUint64Array>;

export interface ElementFile {
  readonly dtype: DType;
  /** Elements. */
  readonly length: number;
}

/**
 * The elements of a file that is nothing but little-endian numbers, as the SCDL arrays are.
 *
 * Ranges are half open, in elements; they must lie inside `[0, length]`, which the caller has
 * checked (row pointers are checked once per row, not once per array). Targets may be any array
 * that holds the values exactly: float16 goes to Float32Array or wider, uint64 to BigUint64Array,
 * or to an array of numbers when every value is small enough.
 */
export class ElementSource {
  readonly source: ByteSource;
  readonly dtype: DType;
  readonly length: number;
  readonly itemBytes: number;
  /** @internal See gatherRanges(). */
  touched = 0;
  #view: NumericArray | null | undefined;
  #reads = 0;
  #scratch: NumericArray | null = null;

  /** @throws FormatError "truncated" when the file holds fewer elements than `file.length`. */
  constructor(source: ByteSource, file: ElementFile) {
    this.source = source;
    this.dtype = file.dtype;
    this.length = file.length;
    this.itemBytes = itemBytes(file.dtype);
    const expected = file.length * this.itemBytes;
    if (source.byteLength < expected) {
      throw new FormatError(
        "truncated",
        `expected ${expected} bytes (${file.length} elements of ${file.dtype}), found ${source.byteLength}`,
        { path: source.path },
      );
    }
  }

  /** Copies elements `[begin, end)` to `target` at element `at`. */
  copy(begin: number, end: number, target: NumericArray, at: number): void {
    this.source.check();
    this.#copy(this.#viewForOne(), begin, end, target, at);
  }

  /**
   * Copies `count` ranges, each to its place: `[begins[i], ends[i])` to `target` at `ats[i]`. One
   * check of the file for all of them.
   */
  gather(
    begins: Float64Array,
    ends: Float64Array,
    ats: Float64Array,
    count: number,
    target: NumericArray,
  ): void {
    this.source.check();
    const { view } = this;
    if (view === null || isBigInt(view) || !sameElements(view, target, this.dtype)) {
      for (let i = 0; i < count; i++) {
        this.#copy(view, begins[i] as number, ends[i] as number, target, ats[i] as number);
      }
    } else {
      // Same class as the view, which is not a bigint array.
      this.touched = gatherRanges(view, begins, ends, ats, count, target as NumberArray);
    }
  }

  /** One element; uint64 as the nearest number, float16 widened. */
  at(index: number): number {
    this.source.check();
    const view = this.#viewForOne();
    if (view === null) {
      const one = this.#scratchArray();
      this.#read(index, index + 1, one);
      return toNumber(one[0] as number | bigint, this.dtype);
    }
    return toNumber(view[index] as number | bigint, this.dtype);
  }

  /**
   * The raw elements in memory (float16 as bit patterns), or null where only reads serve. The
   * first call may map the file.
   */
  get view(): NumericArray | null {
    if (this.#view === undefined) {
      const { bytes } = this.source;
      this.#view = bytes === null ? null : rawView(bytes, this.dtype, this.length);
    }
    return this.#view;
  }

  /** Asks the system to start reading elements `[begin, end)`. */
  willNeed(begin: number, end: number): void {
    this.source.advice?.willNeed(begin * this.itemBytes, (end - begin) * this.itemBytes);
  }

  isResident(index: number): boolean | null {
    return this.source.advice?.isResident(index * this.itemBytes) ?? null;
  }

  /** The view once it exists or many ranges were read; null before and where only reads serve. */
  #viewForOne(): NumericArray | null {
    if (this.#view === undefined && this.#reads++ < READS_BEFORE_MAP) return null;
    return this.view;
  }

  #copy(
    view: NumericArray | null,
    begin: number,
    end: number,
    target: NumericArray,
    at: number,
  ): void {
    if (begin === end) return;
    if (view !== null) convert(view, begin, end, target, at, this.dtype, this.source.path);
    else if (sameElements(rawEmpty(this.dtype), target, this.dtype)) {
      this.#read(begin, end, target, at);
    } else {
      const scratch = this.#scratchArray();
      for (let from = begin; from < end; from += scratch.length) {
        const count = Math.min(scratch.length, end - from);
        this.#read(from, from + count, scratch);
        convert(scratch, 0, count, target, at + from - begin, this.dtype, this.source.path);
      }
    }
  }

  #read(begin: number, end: number, target: NumericArray, at = 0): void {
    const size = this.itemBytes;
    this.source.readInto(
      begin * size,
      new Uint8Array(target.buffer, target.byteOffset + at * size, (end - begin) * size),
    );
  }

  #scratchArray(): NumericArray {
    this.#scratch ??= rawView(
      new Uint8Array(SCRATCH_ELEMENTS * this.itemBytes),
      this.dtype,
      SCRATCH_ELEMENTS,
    );
    return this.#scratch;
  }
}

/**
 * The kernel. The first loop only touches the start of every range: these loads do not depend on
 * each other, so that their cache and TLB misses overlap instead of being paid one copy at a time
 * (0.64 -> 0.87 of memcpy in C on 64 rows of 1,000 values, docs/performance.md).
 *
 * @returns a number that keeps the touching loop from being optimised away.
 */
function gatherRanges(
  view: NumberArray,
  begins: Float64Array,
  ends: Float64Array,
  ats: Float64Array,
  count: number,
  target: NumberArray,
): number {
  let touched = 0;
  for (let i = 0; i < count; i++) {
    // An empty range at the very end adds undefined, that is NaN, which does no harm.
    touched += view[begins[i] as number] as number;
  }
  for (let i = 0; i < count; i++) {
    const begin = begins[i] as number;
    let end = ends[i] as number;
    const at = ats[i] as number;
    // Rows that follow one another, as in blocks of rows, are one copy.
    while (i + 1 < count && begins[i + 1] === end && ats[i + 1] === at + end - begin) {
      end = ends[++i] as number;
    }
    if (end - begin < LOOP_BELOW) {
      for (let k = begin; k < end; k++) target[at + k - begin] = view[k] as number;
    } else {
      target.set(view.subarray(begin, end), at);
    }
  }
  return touched;
}

function isBigInt(array: NumericArray): array is BigInt64Array | BigUint64Array {
  return array instanceof BigUint64Array || array instanceof BigInt64Array;
}

/** Whether elements can be copied as bytes from raw `view` to `target`. */
function sameElements(view: NumericArray, target: NumericArray, dtype: DType): boolean {
  return dtype !== "float16" && view.constructor === target.constructor;
}

type RawConstructor = new (
  buffer: ArrayBufferLike,
  byteOffset?: number,
  length?: number,
) => NumericArray;

const RAW: Readonly<Record<DType, RawConstructor>> = {
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
};

const EMPTY: ReadonlyMap<string, NumericArray> = new Map(
  Object.entries(RAW).map(([dtype, create]) => [dtype, new create(new ArrayBuffer(0))]),
);

function rawEmpty(dtype: DType): NumericArray {
  // EMPTY has every dtype.
  return EMPTY.get(dtype) as NumericArray;
}

/** The bytes as elements; copied when they do not start at a multiple of the element size. */
function rawView(bytes: Uint8Array, dtype: DType, length: number): NumericArray {
  const size = itemBytes(dtype);
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice(0, length * size);
  return new RAW[dtype](aligned.buffer, aligned.byteOffset, length);
}

function convert(
  view: NumericArray,
  begin: number,
  end: number,
  target: NumericArray,
  at: number,
  dtype: DType,
  path: string,
): void {
  if (dtype === "float16") {
    const values = float16Table();
    for (let k = begin; k < end; k++) {
      target[at + k - begin] = values[view[k] as number] as number;
    }
  } else if (isBigInt(view)) {
    if (isBigInt(target)) {
      target.set(view.subarray(begin, end), at);
    } else {
      for (let k = begin; k < end; k++) {
        target[at + k - begin] = narrow(view[k] as bigint, target, k, path);
      }
    }
  } else if (isBigInt(target)) {
    for (let k = begin; k < end; k++) target[at + k - begin] = BigInt(view[k] as number);
  } else if (end - begin < LOOP_BELOW) {
    for (let k = begin; k < end; k++) target[at + k - begin] = view[k] as number;
  } else {
    target.set(view.subarray(begin, end), at);
  }
}

function narrow(value: bigint, target: NumberArray, index: number, path: string): number {
  const limit = target instanceof Float64Array ? 2n ** 53n - 1n : 2n ** 32n - 1n;
  if (value >= 0n && value <= limit) return Number(value);
  throw new FormatError(
    "value-out-of-range",
    `element ${index} is ${value}, expected at most ${limit}`,
    { path, offset: index * 8 },
  );
}

function toNumber(value: number | bigint, dtype: DType): number {
  return dtype === "float16" ? (float16Table()[Number(value)] as number) : Number(value);
}
