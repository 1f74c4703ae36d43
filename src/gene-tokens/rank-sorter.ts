/**
 * Sorts the genes of a cell by their keys, largest first: exactly the order of a stable argsort of
 * the negated float64 keys, at a few nanoseconds a key.
 *
 * The high words of positive doubles sort as integers. Sixteen bits of their distance from the
 * largest, enough for nearly every key, are sorted in two counting passes; an insertion sort by the
 * whole keys does the rest. Keys that are zero, negative or NaN, and keys that differ only in their
 * low bits, go to a merge sort.
 */

/** Bits of a distance that are sorted by counting; the other half of a word is the key's number. */
const DISTANCE_BITS = 16;
const MAX_COUNTED = 1 << (32 - DISTANCE_BITS);
/** Moves of the insertion sort for each key before the merge sort takes over. */
const MOVES_PER_KEY = 16;
const INFINITY_WORD = 0x7ff0_0000;

export class RankSorter {
  /** Keys to sort; write the first n. */
  keys: Float64Array = new Float64Array(0);
  /** What goes with each key: a token. */
  items: Int32Array = new Int32Array(0);
  #words: Int32Array = new Int32Array(0);
  #sortedKeys: Float64Array = new Float64Array(0);
  #spareItems: Int32Array = new Int32Array(0);
  /** Distance in the upper half, number of the key in the lower. */
  #packed: Int32Array = new Int32Array(0);
  #spare: Int32Array = new Int32Array(0);
  readonly #lowStarts = new Int32Array(257);
  readonly #highStarts = new Int32Array(257);

  /** Makes room for n keys; those written before are lost when it must grow. */
  reserve(n: number): void {
    if (this.keys.length >= n) return;
    const room = Math.max(1024, 2 ** Math.ceil(Math.log2(n)));
    this.keys = new Float64Array(room);
    this.items = new Int32Array(room);
    this.#words = new Int32Array(this.keys.buffer);
    this.#sortedKeys = new Float64Array(room);
    this.#spareItems = new Int32Array(room);
    this.#packed = new Int32Array(room);
    this.#spare = new Int32Array(room);
  }

  /**
   * Writes the items of the first n keys to `target` from `begin` on: by descending key, equal keys
   * in their order, NaN last. `target` must have room for n. Keys and items are lost.
   */
  sort(n: number, target: Int32Array, begin: number): void {
    const words = this.#words;
    let low = INFINITY_WORD;
    let high = 0;
    for (let i = 0, at = HIGH_WORD; i < n; i++, at += 2) {
      const word = words[at] as number;
      if (word < low) low = word;
      if (word > high) high = word;
    }
    // Zero, subnormal, negative, NaN: rare, and not in the order of their words.
    if (low <= 0 || high > INFINITY_WORD || n > MAX_COUNTED) {
      this.#merge(n, target, begin);
      return;
    }
    this.#count(n, high, Math.max(0, 32 - Math.clz32(high - low) - DISTANCE_BITS));
    if (!this.#insert(n, target, begin)) this.#merge(n, target, begin);
  }

  /** Brings #packed into the order of the distances, equal ones in their order. */
  #count(n: number, high: number, shift: number): void {
    const words = this.#words;
    const packed = this.#packed;
    const spare = this.#spare;
    const lowStarts = this.#lowStarts.fill(0);
    const highStarts = this.#highStarts.fill(0);
    for (let i = 0, at = HIGH_WORD; i < n; i++, at += 2) {
      const distance = (high - (words[at] as number)) >> shift;
      packed[i] = (distance << DISTANCE_BITS) | i;
      const lowDigit = (distance & 255) + 1;
      const highDigit = (distance >> 8) + 1;
      lowStarts[lowDigit] = (lowStarts[lowDigit] as number) + 1;
      highStarts[highDigit] = (highStarts[highDigit] as number) + 1;
    }
    for (let digit = 1, lowSum = 0, highSum = 0; digit < 256; digit++) {
      lowSum += lowStarts[digit] as number;
      lowStarts[digit] = lowSum;
      highSum += highStarts[digit] as number;
      highStarts[digit] = highSum;
    }
    for (let i = 0; i < n; i++) {
      const word = packed[i] as number;
      const digit = (word >>> 16) & 255;
      const place = lowStarts[digit] as number;
      lowStarts[digit] = place + 1;
      spare[place] = word;
    }
    for (let i = 0; i < n; i++) {
      const word = spare[i] as number;
      const digit = word >>> 24;
      const place = highStarts[digit] as number;
      highStarts[digit] = place + 1;
      packed[place] = word;
    }
  }

  /**
   * Takes keys and items in the order of #packed and moves the few that are out of place. False when
   * they are not few.
   */
  #insert(n: number, target: Int32Array, begin: number): boolean {
    const packed = this.#packed;
    const { keys, items } = this;
    const sortedKeys = this.#sortedKeys;
    let moves = n * MOVES_PER_KEY;
    let before = Number.POSITIVE_INFINITY;
    for (let i = 0; i < n; i++) {
      const from = (packed[i] as number) & (MAX_COUNTED - 1);
      const key = keys[from] as number;
      const item = items[from] as number;
      sortedKeys[i] = key;
      target[begin + i] = item;
      if (key <= before) {
        before = key;
        continue;
      }
      let place = i;
      do {
        sortedKeys[place] = sortedKeys[place - 1] as number;
        target[begin + place] = target[begin + place - 1] as number;
        place--;
      } while (place > 0 && (sortedKeys[place - 1] as number) < key);
      sortedKeys[place] = key;
      target[begin + place] = item;
      moves -= i - place;
      if (moves < 0) return false;
    }
    return true;
  }

  /** A stable merge sort of any keys, NaN last. */
  #merge(n: number, target: Int32Array, begin: number): void {
    let keys = this.keys;
    let items = this.items;
    let otherKeys = this.#sortedKeys;
    let otherItems = this.#spareItems;
    for (let width = 1; width < n; width *= 2) {
      for (let first = 0; first < n; first += 2 * width) {
        const middle = Math.min(n, first + width);
        const end = Math.min(n, first + 2 * width);
        mergeRuns(keys, items, first, middle, end, otherKeys, otherItems);
      }
      [keys, otherKeys] = [otherKeys, keys];
      [items, otherItems] = [otherItems, items];
    }
    target.set(items.subarray(0, n), begin);
  }
}

function mergeRuns(
  keys: Float64Array,
  items: Int32Array,
  begin: number,
  middle: number,
  end: number,
  toKeys: Float64Array,
  toItems: Int32Array,
): void {
  let left = begin;
  let right = middle;
  for (let at = begin; at < end; at++) {
    const a = keys[left] as number;
    const b = keys[right] as number;
    // The right one first only where it is larger, or a number before NaN.
    const isRight =
      left >= middle || (right < end && (b > a || (Number.isNaN(a) && !Number.isNaN(b))));
    const from = isRight ? right++ : left++;
    toKeys[at] = keys[from] as number;
    toItems[at] = items[from] as number;
  }
}

/** The place of a double's upper half in a pair of words. */
const HIGH_WORD = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0;
