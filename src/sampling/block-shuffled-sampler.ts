import { aNumber, checkOptions } from "../../formats/common/options.ts";
import { Bijection } from "./bijection.ts";
import { assertInteger, assertPositions } from "./positions.ts";
import type { Sampler, SamplerDescription } from "./sampler.ts";

export interface BlockShuffledOptions {
  /** Default 42. */
  readonly seed?: number;
  /** Rows that lie together in the data set and stay near each other in the order. Default 64. */
  readonly blockRows?: number;
  /**
   * Blocks, neighbours in the shuffled order, whose rows are shuffled among each other. 1 shuffles
   * rows inside their block only; 0 leaves them in the order stored, so that a batch is made of
   * whole pieces. Default 64.
   */
  readonly windowBlocks?: number;
}

/** What the keys are for, so that blocks and windows of one seed differ. */
const BLOCKS = 1;
const WINDOW = 2;

/** Of larger windows, blocks are looked up for every row. */
const MAX_HELD_BLOCKS = 4096;

/**
 * Every row once an epoch: blocks of rows in random order, then rows in random order inside windows
 * of blocks. Reads touch `windowBlocks` places at a time instead of the whole data set, which is
 * near random order at near sequential speed; docs/sampling.md measures both. O(1) memory.
 */
export class BlockShuffledSampler implements Sampler {
  readonly length: number;
  readonly nRows: number;
  readonly seed: number;
  readonly blockRows: number;
  readonly windowBlocks: number;
  readonly #nBlocks: number;
  #epoch = -1;
  #blocks = new Bijection(1, []);
  /** Where in the order the last block stands, which may be short. */
  #shortPlace = 0;
  #window = -1;
  /** Positions of the window. */
  #windowBegin = 0;
  #windowEnd = 0;
  #rows = new Bijection(1, []);
  /** By block of the window, from position to row; NaN where not yet known. */
  readonly #shifts: Float64Array;

  /** @throws InvalidArgumentError for counts that are not integers, or a block of no rows. */
  constructor(nRows: number, options: BlockShuffledOptions = {}) {
    const kinds = { seed: aNumber, blockRows: aNumber, windowBlocks: aNumber };
    checkOptions("BlockShuffledSampler", options, kinds);
    this.seed = options.seed ?? 42;
    this.blockRows = options.blockRows ?? 64;
    this.windowBlocks = options.windowBlocks ?? 64;
    assertInteger("nRows", nRows, 0);
    assertInteger("seed", this.seed, 0);
    assertInteger("blockRows", this.blockRows, 1);
    assertInteger("windowBlocks", this.windowBlocks, 0);
    this.nRows = nRows;
    this.length = nRows;
    this.#nBlocks = Math.ceil(nRows / this.blockRows);
    const held = this.windowBlocks > MAX_HELD_BLOCKS ? 0 : this.windowBlocks;
    this.#shifts = new Float64Array(Math.min(held, this.#nBlocks));
  }

  fill(epoch: number, begin: number, out: Float64Array): void {
    assertPositions(this.length, epoch, begin, out.length);
    if (out.length === 0) return;
    this.#enter(epoch);
    if (this.windowBlocks === 0) this.#fillBlocks(begin, out);
    else this.#fillWindows(begin, out);
  }

  describe(): SamplerDescription {
    return {
      name: "block-shuffled",
      version: 1,
      nRows: this.nRows,
      seed: this.seed,
      blockRows: this.blockRows,
      windowBlocks: this.windowBlocks,
    };
  }

  #enter(epoch: number): void {
    if (epoch === this.#epoch) return;
    this.#blocks = new Bijection(this.#nBlocks, [this.seed, epoch, BLOCKS]);
    this.#shortPlace = this.#blocks.indexOf(this.#nBlocks - 1);
    this.#epoch = epoch;
    this.#window = -1;
  }

  /** Rows as stored, a block after the other. */
  #fillBlocks(begin: number, out: Float64Array): void {
    for (let i = 0; i < out.length; ) {
      const place = this.#place(begin + i);
      const end = Math.min(out.length, this.#placeBegin(place + 1) - begin);
      const first = this.#shift(place) + begin;
      for (; i < end; i++) out[i] = first + i;
    }
  }

  #fillWindows(begin: number, out: Float64Array): void {
    for (let i = 0; i < out.length; ) {
      const window = Math.floor(this.#place(begin + i) / this.windowBlocks);
      if (window !== this.#window) this.#enterWindow(window);
      const first = this.#windowBegin;
      const end = Math.min(out.length, this.#windowEnd - begin);
      for (; i < end; i++) {
        const at = first + this.#rows.at(begin + i - first);
        out[i] = at + this.#shiftInWindow(this.#place(at));
      }
    }
  }

  #enterWindow(window: number): void {
    const first = window * this.windowBlocks;
    this.#windowBegin = this.#placeBegin(first);
    this.#windowEnd = this.#placeBegin(Math.min(this.#nBlocks, first + this.windowBlocks));
    const rows = this.#windowEnd - this.#windowBegin;
    this.#rows = new Bijection(rows, [this.seed, this.#epoch, WINDOW, window]);
    this.#shifts.fill(Number.NaN);
    this.#window = window;
  }

  /** What is added to a position in a block of the shuffled order to get its row. */
  #shift(place: number): number {
    return this.#blocks.at(place) * this.blockRows - this.#placeBegin(place);
  }

  #shiftInWindow(place: number): number {
    if (this.#shifts.length === 0) return this.#shift(place);
    const at = place - this.#window * this.windowBlocks;
    const known = this.#shifts[at] as number;
    if (!Number.isNaN(known)) return known;
    const shift = this.#shift(place);
    this.#shifts[at] = shift;
    return shift;
  }

  /** Which block of the shuffled order holds a position. */
  #place(position: number): number {
    const place = Math.floor(position / this.blockRows);
    if (place < this.#shortPlace || position < this.#placeBegin(this.#shortPlace + 1)) {
      return Math.min(place, this.#shortPlace);
    }
    return Math.floor((position + this.#missing()) / this.blockRows);
  }

  /** First position of a block of the shuffled order; of all that come, the short one is counted. */
  #placeBegin(place: number): number {
    return place * this.blockRows - (place > this.#shortPlace ? this.#missing() : 0);
  }

  /** Rows that the last block lacks. */
  #missing(): number {
    return this.#nBlocks * this.blockRows - this.nRows;
  }
}
