import type { Pcg64 } from "./pcg64.ts";

const TWO_POW_32 = 2 ** 32;
const TWO_POW_MINUS_32 = 2 ** -32;

/**
 * Bounded integers as numpy draws them: Lemire, "Fast Random Integer Generation in an Interval"
 * (2019), on 32-bit halves for ranges up to 2^32 - 1, else on 64-bit draws; 8 and 16-bit types cut
 * each 32-bit word into pieces and drop what is left at the end of a call.
 */

/** Uniform in 0..range, both included; range at most 2^32 - 1. Range 0 draws nothing. */
export function bounded32(bits: Pcg64, range: number): number {
  if (range === 0) return 0;
  if (range === TWO_POW_32 - 1) return bits.next32();
  const width = range + 1;
  let word = bits.next32();
  let low = Math.imul(word, width) >>> 0;
  if (low < width) {
    const threshold = (TWO_POW_32 - width) % width;
    while (low < threshold) {
      word = bits.next32();
      low = Math.imul(word, width) >>> 0;
    }
  }
  // The product rounds by less than 2^11, so its high word is the nearest one.
  return ((word * width - low) * TWO_POW_MINUS_32 + 0.5) >>> 0;
}

/**
 * Uniform in 0..range, both included, as numpy's `shuffle` draws its partners: the low bits of 32-bit
 * words until one is in range. 0 < range < 2^32.
 */
export function masked32(bits: Pcg64, range: number): number {
  const mask = 0xffff_ffff >>> Math.clz32(range);
  let value = bits.next32() & mask;
  while (value >>> 0 > range) value = bits.next32() & mask;
  return value >>> 0;
}

/** Integers of ranges up to 2^64 - 1; {@link next} leaves them in `drawn`, low word first. */
export class Bounded64 {
  readonly drawn = new Uint32Array(2);
  readonly #bits: Pcg64;
  /** The range when it fits a 32-bit draw, else -1. */
  readonly #range32: number;
  readonly #whole: boolean;
  /** range + 1 and the rejection threshold, as 32-bit words. */
  readonly #widthLow: number;
  readonly #widthHigh: number;
  readonly #thresholdLow: number;
  readonly #thresholdHigh: number;

  /** range below 2^64; next() is uniform in 0..range, both included. */
  constructor(bits: Pcg64, range: bigint) {
    const width = range + 1n;
    const threshold = (2n ** 64n - width) % width;
    this.#bits = bits;
    this.#range32 = range < 2n ** 32n ? Number(range) : -1;
    this.#whole = width === 2n ** 64n;
    this.#widthLow = lowWord(width);
    this.#widthHigh = lowWord(width >> 32n);
    this.#thresholdLow = lowWord(threshold);
    this.#thresholdHigh = lowWord(threshold >> 32n);
  }

  next(): void {
    const bits = this.#bits;
    if (this.#range32 >= 0) {
      this.drawn[0] = bounded32(bits, this.#range32);
      return;
    }
    if (this.#whole) {
      bits.next64();
      this.drawn.set(bits.drawn);
      return;
    }
    const widthLow = this.#widthLow;
    const widthHigh = this.#widthHigh;
    for (;;) {
      bits.next64();
      const a = bits.drawn[0] as number;
      const b = bits.drawn[1] as number;
      const word0 = Math.imul(a, widthLow) >>> 0;
      const aHigh = Math.imul(a, widthHigh) >>> 0;
      const bLow = Math.imul(b, widthLow) >>> 0;
      const bHigh = Math.imul(b, widthHigh) >>> 0;
      const column1 = highWord(a, widthLow, word0) + aHigh + bLow;
      const column2 =
        Math.floor(column1 * TWO_POW_MINUS_32) +
        highWord(a, widthHigh, aHigh) +
        highWord(b, widthLow, bLow) +
        bHigh;
      const word1 = column1 >>> 0;
      if (
        word1 < this.#thresholdHigh ||
        (word1 === this.#thresholdHigh && word0 < this.#thresholdLow)
      ) {
        continue;
      }
      this.drawn[0] = column2;
      this.drawn[1] = highWord(b, widthHigh, bHigh) + Math.floor(column2 * TWO_POW_MINUS_32);
      return;
    }
  }
}

/** Fills with integers in low..low + range; range at most 2^32 - 1. */
export function fill32(bits: Pcg64, low: number, range: number, target: IntegerTarget): void {
  for (let i = 0; i < target.length; i++) target[i] = low + bounded32(bits, range);
}

/** Fills with integers in low..low + range; range below 2^53 and the results safe integers. */
export function fillSafe(bits: Pcg64, low: number, range: bigint, target: Float64Array): void {
  const draw = new Bounded64(bits, range);
  for (let i = 0; i < target.length; i++) {
    draw.next();
    target[i] = low + (draw.drawn[1] as number) * TWO_POW_32 + (draw.drawn[0] as number);
  }
}

/** Fills 64-bit integers in low..low + range, written as pairs of words. */
export function fill64(
  bits: Pcg64,
  low: bigint,
  range: bigint,
  target: BigInt64Array | BigUint64Array,
): void {
  const words = new Uint32Array(target.buffer, target.byteOffset, 2 * target.length);
  const lowWord0 = lowWord(low);
  const lowWord1 = lowWord(low >> 32n);
  const draw = new Bounded64(bits, range);
  for (let i = 0; i < words.length; i += 2) {
    draw.next();
    const sum = (draw.drawn[0] as number) + lowWord0;
    words[i] = sum;
    words[i + 1] = (draw.drawn[1] as number) + lowWord1 + (sum >= TWO_POW_32 ? 1 : 0);
  }
}

/** Fills an 8 or 16-bit array from pieces of that many bits; range below 2^pieceBits. */
export function fillPieces(
  bits: Pcg64,
  low: number,
  range: number,
  target: IntegerTarget,
  pieceBits: 8 | 16,
): void {
  if (range === 0) {
    target.fill(low);
    return;
  }
  const pieces = 32 / pieceBits;
  const mask = 2 ** pieceBits - 1;
  const width = range + 1;
  const threshold = (mask - range) % width;
  let word = 0;
  let left = 0;
  for (let i = 0; i < target.length; i++) {
    for (;;) {
      if (left === 0) {
        word = bits.next32();
        left = pieces;
      } else word >>>= pieceBits;
      left--;
      if (range === mask) {
        target[i] = low + (word & mask);
        break;
      }
      const product = (word & mask) * width;
      if ((product & mask) >= threshold) {
        target[i] = low + (product >>> pieceBits);
        break;
      }
    }
  }
}

/** Fills with `low` or `low + 1`, one bit each; range 0 draws nothing. */
export function fillBits(bits: Pcg64, low: number, range: number, target: Uint8Array): void {
  if (range === 0) {
    target.fill(low);
    return;
  }
  let word = 0;
  for (let i = 0; i < target.length; i++) {
    word = i % 32 === 0 ? bits.next32() : word >>> 1;
    target[i] = low + (word & 1);
  }
}

export type IntegerTarget =
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Float64Array;

function highWord(a: number, b: number, low: number): number {
  return ((a * b - low) * TWO_POW_MINUS_32 + 0.5) >>> 0;
}

function lowWord(value: bigint): number {
  return Number(BigInt.asUintN(32, value));
}
