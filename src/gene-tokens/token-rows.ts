/** Tokens of many cells: cell i has `ids[offsets[i], offsets[i + 1])` and is row `rows[i]`. */
export class TokenRows {
  /** Cells so far. */
  count = 0;
  #ids: Int32Array;
  #offsets: Float64Array;
  #rows: Float64Array;

  constructor(capacity: { readonly cells?: number; readonly tokens?: number } = {}) {
    this.#ids = new Int32Array(capacity.tokens ?? 4096);
    this.#offsets = new Float64Array((capacity.cells ?? 64) + 1);
    this.#rows = new Float64Array(capacity.cells ?? 64);
  }

  /** [tokens] ids of all cells, one after another; a view until more are added. */
  get ids(): Int32Array {
    return this.#ids.subarray(0, this.tokens);
  }

  /** [cells + 1] */
  get offsets(): Float64Array {
    return this.#offsets.subarray(0, this.count + 1);
  }

  /** [cells] the row of the data set that each cell is: not all, when cells are left out. */
  get rows(): Float64Array {
    return this.#rows.subarray(0, this.count);
  }

  /** Tokens of all cells. */
  get tokens(): number {
    return this.#offsets[this.count] as number;
  }

  /** One cell's ids, a view. */
  at(cell: number): Int32Array {
    return this.#ids.subarray(this.#offsets[cell], this.#offsets[cell + 1]);
  }

  /** Forgets the cells and keeps the memory. */
  clear(): void {
    this.count = 0;
  }

  /**
   * @internal Room for one more cell of up to `count` tokens and two around them; the tokens go to the
   * result from {@link tokens} + 1 on (from {@link tokens} on without a first one), then
   * {@link push} makes them a cell.
   */
  room(count: number): Int32Array {
    this.#reserve(this.tokens + count + 2);
    return this.#ids;
  }

  /** @internal A cell of `first`, `count` tokens that are in place, `last`; ids below 0 are left out. */
  push(row: number, first: number, count: number, last: number): void {
    const target = this.#ids;
    let at = this.tokens;
    if (first >= 0) target[at++] = first;
    at += count;
    if (last >= 0) target[at++] = last;
    this.#rows[this.count] = row;
    this.count++;
    this.#offsets[this.count] = at;
  }

  #reserve(tokens: number): void {
    if (this.#ids.length < tokens) {
      const ids = new Int32Array(Math.max(tokens, 2 * this.#ids.length));
      ids.set(this.#ids);
      this.#ids = ids;
    }
    if (this.#rows.length <= this.count) {
      const rows = new Float64Array(2 * this.#rows.length + 64);
      rows.set(this.#rows);
      this.#rows = rows;
      const offsets = new Float64Array(rows.length + 1);
      offsets.set(this.#offsets);
      this.#offsets = offsets;
    }
  }
}
