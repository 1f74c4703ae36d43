/**
 * The values of one gene in bounded memory: each of them while they are few, then how many there are
 * in narrow ranges. Integer counts: what is added or merged in any order gives the same.
 */

/** Values kept one by one; more become counts. */
export const EXACT_VALUES = 512;
/** Ranges that an octave is cut into, as a power of two. */
const OCTAVE_BITS = 9;
/**
 * A median from counts is off by at most this share: the width of a range. A rank inside a range is
 * taken for a share of its width, which is far closer where values spread over it.
 */
export const MEDIAN_ERROR = 2 ** -OCTAVE_BITS;
/** Upper bits of a double that number its range: sign, 11 of the exponent, 9 of the mantissa. */
const DROPPED_BITS = 20 - OCTAVE_BITS;
/** Numbers of ranges end here: doubles above zero. */
export const RANGES_END = 0x7ff << OCTAVE_BITS;
/** The counts of a gene grow by a quarter of an octave. */
const STEP = 1 << (OCTAVE_BITS - 2);

const MAX_COUNT = 2 ** 32 - 1;

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
const HIGH = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0;

/** The number of the range that a value above zero lies in. */
export function rangeOf(value: number): number {
  double[0] = value;
  return (words[HIGH] as number) >>> DROPPED_BITS;
}

/** The least value of a range. */
export function rangeBegin(range: number): number {
  words[HIGH] = range << DROPPED_BITS;
  words[1 - HIGH] = 0;
  return double[0] as number;
}

/** A rank as a place inside a range: the number `rank` of its `count` values, from the least. */
export interface RangePlace {
  readonly range: number;
  readonly rank: number;
  readonly count: number;
}

export class ValueDistribution {
  /** Values added. */
  count = 0;
  /** The first `count`, in the order of adding; null once they are counts. */
  #values: Float64Array | null = new Float64Array(4);
  /** How many values lie in range #first, #first + 1 and so on. */
  #counts = new Uint32Array(0);
  #first = 0;

  /** @param value finite and above zero */
  add(value: number): void {
    if (this.#values === null) {
      this.addRange(rangeOf(value), 1);
      return;
    }
    if (this.count === EXACT_VALUES) {
      this.addRange(rangeOf(value), 1);
      return;
    }
    if (this.count === this.#values.length) {
      const larger = new Float64Array(Math.min(EXACT_VALUES, 4 * this.count));
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.count++] = value;
  }

  /** Adds all values of another. */
  merge(other: ValueDistribution): void {
    const { values } = other;
    if (values !== null) for (const value of values) this.add(value);
    else for (const [range, count] of other.ranges()) this.addRange(range, count);
  }

  /** Adds `count` values of which only the range is known. */
  addRange(range: number, count: number): void {
    if (this.#values !== null) this.#spread();
    this.#addTo(range, count);
    this.count += count;
  }

  /** Adds values [begin, end). */
  addAll(values: Float64Array, begin: number, end: number): void {
    for (let i = begin; i < end; i++) this.add(values[i] as number);
  }

  /** [count] each value, in no order; null when there were too many. A view. */
  get values(): Float64Array | null {
    return this.#values?.subarray(0, this.count) ?? null;
  }

  /** Ranges with their counts, ascending; none while {@link values} are known. */
  *ranges(): Generator<readonly [range: number, count: number]> {
    const counts = this.#counts;
    for (let at = 0; at < counts.length; at++) {
      const count = counts[at] as number;
      if (count > 0) yield [this.#first + at, count];
    }
  }

  /** The mean of the two values in the middle; exact, or within {@link MEDIAN_ERROR} of it. */
  median(): number {
    const sorted = this.values?.slice().sort();
    if (sorted !== undefined) return middleOf(sorted);
    const [low, high] = this.middle();
    return (estimate(low) + estimate(high)) / 2;
  }

  /** Where the two values in the middle lie; one twice for an odd count. */
  middle(): readonly [RangePlace, RangePlace] {
    return [
      this.#placeOf(Math.floor((this.count - 1) / 2)),
      this.#placeOf(Math.floor(this.count / 2)),
    ];
  }

  #placeOf(rank: number): RangePlace {
    const counts = this.#counts;
    let before = 0;
    for (let at = 0; at < counts.length; at++) {
      const count = counts[at] as number;
      if (rank < before + count) return { range: this.#first + at, rank: rank - before, count };
      before += count;
    }
    throw new RangeError(`rank ${rank} of ${this.count} values`);
  }

  #spread(): void {
    const values = this.values ?? [];
    this.#values = null;
    let [least, most] = [RANGES_END, 0];
    for (const value of values) {
      const range = rangeOf(value);
      if (range < least) least = range;
      if (range > most) most = range;
    }
    if (values.length > 0) {
      this.#cover(least);
      this.#cover(most);
    }
    for (const value of values) this.#addTo(rangeOf(value), 1);
  }

  #addTo(range: number, count: number): void {
    let at = range - this.#first;
    if (!(at >= 0 && at < this.#counts.length)) {
      this.#cover(range);
      at = range - this.#first;
    }
    const sum = (this.#counts[at] as number) + count;
    if (sum > MAX_COUNT) throw new RangeError(`more than ${MAX_COUNT} values lie in one range`);
    this.#counts[at] = sum;
  }

  #cover(range: number): void {
    const old = this.#counts;
    const oldEnd = this.#first + old.length;
    const first = range - (range % STEP);
    const begin = old.length === 0 ? first : Math.min(this.#first, first);
    const counts = new Uint32Array(Math.max(oldEnd, first + STEP) - begin);
    if (old.length > 0) counts.set(old, this.#first - begin);
    this.#counts = counts;
    this.#first = begin;
  }
}

/** numpy's median of sorted numbers. */
export function middleOf(sorted: Float64Array): number {
  const half = Math.floor(sorted.length / 2);
  const high = sorted[half] as number;
  return sorted.length % 2 === 1 ? high : ((sorted[half - 1] as number) + high) / 2;
}

function estimate({ range, rank, count }: RangePlace): number {
  const begin = rangeBegin(range);
  return begin + ((rank + 0.5) / count) * (rangeBegin(range + 1) - begin);
}
