/**
 * Sorts the genes of a cell by their keys, largest first: exactly the order of a stable argsort of
 * the negated float64 keys, at a few nanoseconds a key.
 *
 * The high words of positive doubles sort as integers. One counting pass by the upper bits of their
 * distance from the largest puts nearly every key in place; an insertion sort by the whole keys does
 * the rest. Keys that are zero, negative or NaN, and keys that differ only in their low bits, go to a
 * merge sort.
 */

/** Buckets of the counting pass for each key: more save moves, fewer save counting. */
const BUCKETS_PER_KEY = 2;
const MIN_BUCKETS = 64;
const MAX_BUCKETS = 1 << 16;
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
  #sortedItems: Int32Array = new Int32Array(0);
  #starts = new Int32Array(MAX_BUCKETS + 1);

  /** Makes room for n keys; those written before are lost when it must grow. */
  reserve(n: number): void {
    if (this.keys.length >= n) return;
    const room = Math.max(1024, 2 ** Math.ceil(Math.log2(n)));
    this.keys = new Float64Array(room);
    this.items = new Int32Array(room);
    this.#words = new Int32Array(this.keys.buffer);
    this.#sortedKeys = new Float64Array(room);
    this.#sortedItems = new Int32Array(room);
  }

  /**
   * The items of the first n keys by descending key, equal keys in their order, NaN last. The array
   * is this object's and holds them until the next call.
   */
  sort(n: number): Int32Array {
    const words = this.#words;
    let low = INFINITY_WORD;
    let high = 0;
    for (let i = 0, at = HIGH_WORD; i < n; i++, at += 2) {
      const word = words[at] as number;
      if (word < low) low = word;
      if (word > high) high = word;
    }
    // Zero, subnormal, negative, NaN: rare, and not in the order of their words.
    if (low <= 0 || high > INFINITY_WORD) return this.#merge(this.keys, this.items, n);
    const target = Math.min(MAX_BUCKETS, Math.max(MIN_BUCKETS, n * BUCKETS_PER_KEY));
    const shift = Math.max(0, 32 - Math.clz32(high - low) - (31 - Math.clz32(target)));
    this.#scatter(n, high, shift, ((high - low) >> shift) + 1);
    return this.#insert(n);
  }

  /** Copies keys and items into their buckets, in order inside each. */
  #scatter(n: number, high: number, shift: number, buckets: number): void {
    const starts = this.#starts;
    const words = this.#words;
    const { keys, items } = this;
    const sortedKeys = this.#sortedKeys;
    const sortedItems = this.#sortedItems;
    starts.fill(0, 0, buckets + 1);
    for (let i = 0, at = HIGH_WORD; i < n; i++, at += 2) {
      const bucket = ((high - (words[at] as number)) >> shift) + 1;
      starts[bucket] = (starts[bucket] as number) + 1;
    }
    for (let b = 1, sum = 0; b < buckets; b++) {
      sum += starts[b] as number;
      starts[b] = sum;
    }
    for (let i = 0, at = HIGH_WORD; i < n; i++, at += 2) {
      const bucket = (high - (words[at] as number)) >> shift;
      const place = starts[bucket] as number;
      starts[bucket] = place + 1;
      sortedKeys[place] = keys[i] as number;
      sortedItems[place] = items[i] as number;
    }
  }

  /** Finishes what {@link #scatter} left; keys are positive here. */
  #insert(n: number): Int32Array {
    const keys = this.#sortedKeys;
    const items = this.#sortedItems;
    let moves = n * MOVES_PER_KEY;
    let before = keys[0] as number;
    for (let i = 1; i < n; i++) {
      const key = keys[i] as number;
      if (key <= before) {
        before = key;
        continue;
      }
      const item = items[i] as number;
      let place = i;
      do {
        keys[place] = keys[place - 1] as number;
        items[place] = items[place - 1] as number;
        place--;
      } while (place > 0 && (keys[place - 1] as number) < key);
      keys[place] = key;
      items[place] = item;
      moves -= i - place;
      if (moves < 0) return this.#merge(keys, items, n);
    }
    return items;
  }

  /** A stable merge sort of any keys, NaN last. Takes its own path from the copy of `keys`. */
  #merge(fromKeys: Float64Array, fromItems: Int32Array, n: number): Int32Array {
    let keys = fromKeys;
    let items = fromItems;
    let otherKeys = keys === this.keys ? this.#sortedKeys : this.keys;
    let otherItems = items === this.items ? this.#sortedItems : this.items;
    for (let width = 1; width < n; width *= 2) {
      for (let begin = 0; begin < n; begin += 2 * width) {
        const middle = Math.min(n, begin + width);
        const end = Math.min(n, begin + 2 * width);
        mergeRuns(keys, items, begin, middle, end, otherKeys, otherItems);
      }
      [keys, otherKeys] = [otherKeys, keys];
      [items, otherItems] = [otherItems, items];
    }
    return items;
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
