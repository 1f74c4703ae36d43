import { PythonRandom } from "../random/python-random.ts";

/**
 * webdataset's shuffle, draw for draw: a buffer of `size` items that, once `initial` are in it,
 * gives a random one for every one or two that come in. Memory: `size` items.
 */
export class ShuffleBuffer<T> {
  readonly #size: number;
  readonly #initial: number;
  readonly #random: PythonRandom;
  #items: T[] = [];
  /** While the buffer grows, items are taken in pairs. */
  #waitsForSecond = false;

  constructor(size: number, initial: number, seed: number) {
    this.#size = size;
    this.#initial = Math.min(initial, size);
    this.#random = PythonRandom.fromSeed(seed);
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  /** What is in the buffer; its items may be replaced in place. */
  get held(): T[] {
    return this.#items;
  }

  push(item: T, out: T[]): void {
    this.#items.push(item);
    if (!this.#waitsForSecond && this.#items.length < this.#size) {
      this.#waitsForSecond = true;
      return;
    }
    this.#waitsForSecond = false;
    if (this.#items.length >= this.#initial) out.push(this.#pick());
  }

  /** At the end: everything that is left. */
  flush(out: T[]): void {
    if (this.#waitsForSecond && this.#items.length >= this.#initial) out.push(this.#pick());
    this.#waitsForSecond = false;
    while (this.#items.length > 0) out.push(this.#pick());
  }

  #pick(): T {
    const items = this.#items;
    const at = this.#random.randint(0, items.length - 1);
    // The buffer is not empty and `at` is inside it.
    const picked = items[at] as T;
    items[at] = items.at(-1) as T;
    items.pop();
    return picked;
  }
}
