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
  #rows = new Bijection(1, []);

  /** @throws InvalidArgumentError for counts that are not integers, or a block of no rows. */
  constructor(nRows: number, options: BlockShuffledOptions = {}) {
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
  }

  fill(epoch: number, begin: number, out: Float64Array): void {
    assertPositions(this.length, epoch, begin, out.length);
    if (out.length > 0) this.#enter(epoch);
    for (let i = 0; i < out.length; i++) out[i] = this.#row(begin + i);
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

  #row(position: number): number {
    let at = position;
    if (this.windowBlocks > 0) {
      const window = Math.floor(this.#place(position) / this.windowBlocks);
      const first = this.#placeBegin(window * this.windowBlocks);
      if (window !== this.#window) {
        const end = this.#placeBegin(Math.min(this.#nBlocks, (window + 1) * this.windowBlocks));
        this.#rows = new Bijection(end - first, [this.seed, this.#epoch, WINDOW, window]);
        this.#window = window;
      }
      at = first + this.#rows.at(position - first);
    }
    const place = this.#place(at);
    return this.#blocks.at(place) * this.blockRows + at - this.#placeBegin(place);
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
