import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { SeedSequence } from "./seed-sequence.ts";

/** Position of a {@link Pcg64}; 128-bit integers in decimal, as numpy prints them. */
export interface Pcg64State {
  readonly state: string;
  readonly inc: string;
  /** High half of the last 64-bit draw, kept for the next 32-bit one; null when there is none. */
  readonly spare: number | null;
}

/** Multiplier 0x2360ed051fc65da44385df649fccf645, in 32-bit limbs, lowest first. */
const M0 = 0x9fcc_f645;
const M1 = 0x4385_df64;
const M2 = 0x1fc6_5da4;
const M3 = 0x2360_ed05;
const MULTIPLIER = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645n;
const MASK_128 = (1n << 128n) - 1n;
/** numpy's jump: 2^128 divided by the golden ratio. */
const JUMP = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835n;
const TWO_POW_MINUS_32 = 2 ** -32;
/** A generator made for one draw pays for few; one that goes on works in large blocks. */
const FIRST_BLOCK = 4;
const LARGEST_BLOCK = 512;

/**
 * PCG64 (XSL-RR 128/64, O'Neill 2014), numpy's default bit generator.
 *
 * Draws are made ahead in blocks of 32-bit halves; {@link state} counts only those handed out.
 */
export class Pcg64 {
  /** Low and high half of each draw of the block in turn. */
  #block = new Uint32Array(2 * FIRST_BLOCK);
  /** State after the last draw of the block, in limbs, lowest first. */
  readonly #state = new Uint32Array(4);
  readonly #inc = new Uint32Array(4);
  #length = 0;
  #next = 0;
  #nextBlock = FIRST_BLOCK;
  /** The spare half; in an array, since a field of its own would be boxed at each store. */
  readonly #spare = new Uint32Array(1);
  #hasSpare = false;

  /** Low and high half of the draw that {@link next64} made last. */
  readonly drawn = new Uint32Array(2);

  private constructor() {}

  static fromSeedSequence(seeds: SeedSequence): Pcg64 {
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0, ...sequence] = seeds.generateState(8);
    const start = join([w2, w3, w0, w1]);
    const [w4 = 0, w5 = 0, w6 = 0, w7 = 0] = sequence;
    const inc = ((join([w6, w7, w4, w5]) << 1n) | 1n) & MASK_128;
    return Pcg64.#at(step(inc + start, inc), inc);
  }

  /** Throws InvalidArgumentError when the state is not one. */
  static fromState(state: Pcg64State): Pcg64 {
    const pcg = Pcg64.#at(parse128(state.state, "state"), parse128(state.inc, "inc"));
    if (state.spare !== null) {
      if (!(state.spare >= 0 && state.spare < 2 ** 32 && state.spare % 1 === 0)) {
        throw new InvalidArgumentError(
          "spare",
          state.spare,
          `spare must be a 32-bit word or null, got ${state.spare}`,
        );
      }
      pcg.#hasSpare = true;
      pcg.#spare[0] = state.spare;
    }
    return pcg;
  }

  static #at(state: bigint, inc: bigint): Pcg64 {
    const pcg = new Pcg64();
    pcg.#state.set(limbs(state));
    pcg.#inc.set(limbs(inc));
    return pcg;
  }

  state(): Pcg64State {
    return {
      state: this.#current().toString(),
      inc: join(this.#inc).toString(),
      spare: this.#hasSpare ? (this.#spare[0] as number) : null,
    };
  }

  /** Uniform 32-bit word: the low half of a fresh draw, then its high half. */
  next32(): number {
    if (this.#hasSpare) {
      this.#hasSpare = false;
      return this.#spare[0] as number;
    }
    if (this.#next === this.#length) this.#refill();
    const at = this.#next;
    this.#next = at + 2;
    this.#spare[0] = this.#block[at + 1] as number;
    this.#hasSpare = true;
    return this.#block[at] as number;
  }

  /** Makes a 64-bit draw, into {@link drawn}. Neither uses nor clears the spare half. */
  next64(): void {
    if (this.#next === this.#length) this.#refill();
    const at = this.#next;
    this.#next = at + 2;
    this.drawn[0] = this.#block[at] as number;
    this.drawn[1] = this.#block[at + 1] as number;
  }

  /** Fills with 64-bit draws as uniforms in [0, 1) of 53 bits. */
  fillDoubles(target: Float64Array): void {
    for (let done = 0; done < target.length; ) {
      if (this.#next === this.#length) this.#refill();
      const block = this.#block;
      const count = Math.min(target.length - done, (this.#length - this.#next) / 2);
      let at = this.#next;
      for (let i = done; i < done + count; i++) {
        const low = (block[at] as number) >>> 11;
        target[i] = ((block[at + 1] as number) * 2 ** 21 + low) * 2 ** -53;
        at += 2;
      }
      this.#next = at;
      done += count;
    }
  }

  /** Goes on by `draws` 64-bit draws (negative: back) in log time; forgets the spare half. */
  advance(draws: bigint): void {
    const inc = join(this.#inc);
    this.#restart(jump(this.#current(), inc, draws & MASK_128));
  }

  /** A generator 210306068529402873165736369884012333109 draws on, as numpy's `jumped`. */
  jumped(jumps = 1): Pcg64 {
    const inc = join(this.#inc);
    const state = jump(this.#current(), inc, (JUMP * BigInt(jumps)) & MASK_128);
    return Pcg64.#at(state, inc);
  }

  #restart(state: bigint): void {
    this.#state.set(limbs(state));
    this.#length = 0;
    this.#next = 0;
    this.#hasSpare = false;
  }

  /** The state before the first draw that was not handed out. */
  #current(): bigint {
    const unused = BigInt((this.#length - this.#next) / 2);
    return jump(join(this.#state), join(this.#inc), (MASK_128 + 1n - unused) & MASK_128);
  }

  /**
   * The 128-bit product is summed by columns of 32 bits. `a * b - low(a * b)` is a multiple of 2^32
   * known to 2^11, so its high word is right after adding one half, and needs no 16-bit pieces.
   */
  #refill(): void {
    const count = this.#nextBlock;
    this.#nextBlock = Math.min(count * 4, LARGEST_BLOCK);
    if (this.#block.length < 2 * count) this.#block = new Uint32Array(2 * count);
    const block = this.#block;
    const state = this.#state;
    let s0 = state[0] as number;
    let s1 = state[1] as number;
    let s2 = state[2] as number;
    let s3 = state[3] as number;
    const i0 = this.#inc[0] as number;
    const i1 = (this.#inc[1] as number) + 0.5;
    const i2 = (this.#inc[2] as number) + 0.5;
    const i3 = (this.#inc[3] as number) + 0.5;
    for (let at = 0; at < 2 * count; at += 2) {
      const l00 = Math.imul(s0, M0) >>> 0;
      const l01 = Math.imul(s0, M1) >>> 0;
      const l10 = Math.imul(s1, M0) >>> 0;
      const l02 = Math.imul(s0, M2) >>> 0;
      const l11 = Math.imul(s1, M1) >>> 0;
      const l20 = Math.imul(s2, M0) >>> 0;
      const c0 = l00 + i0;
      const c1 = l01 + l10 + i1 + (c0 >= 2 ** 32 ? 1 : 0) + (s0 * M0 - l00) * TWO_POW_MINUS_32;
      const c2 =
        l02 +
        l11 +
        l20 +
        i2 +
        ((c1 * TWO_POW_MINUS_32) >>> 0) +
        (s0 * M1 - l01 + (s1 * M0 - l10)) * TWO_POW_MINUS_32;
      const c3 =
        (s0 * M2 - l02 + (s1 * M1 - l11) + (s2 * M0 - l20)) * TWO_POW_MINUS_32 +
        i3 +
        ((c2 * TWO_POW_MINUS_32) >>> 0);
      s3 =
        (Math.imul(s0, M3) +
          Math.imul(s1, M2) +
          Math.imul(s2, M1) +
          Math.imul(s3, M0) +
          (c3 >>> 0)) >>>
        0;
      s0 = c0 >>> 0;
      s1 = c1 >>> 0;
      s2 = c2 >>> 0;
      // Output: the halves xored, rotated right by the top six bits.
      const rotation = s3 >>> 26;
      const low = s2 ^ s0;
      const high = s3 ^ s1;
      const swap = -(rotation >>> 5) & (low ^ high);
      const a = low ^ swap;
      const b = high ^ swap;
      block[at] = (a >>> rotation) | ((b << 1) << (31 - rotation));
      block[at + 1] = (b >>> rotation) | ((a << 1) << (31 - rotation));
    }
    state[0] = s0;
    state[1] = s1;
    state[2] = s2;
    state[3] = s3;
    this.#length = 2 * count;
    this.#next = 0;
  }
}

function step(state: bigint, inc: bigint): bigint {
  return (state * MULTIPLIER + inc) & MASK_128;
}

/** The state `draws` steps on (Brown, "Random number generation with arbitrary strides"). */
function jump(state: bigint, inc: bigint, draws: bigint): bigint {
  let multiplier = MULTIPLIER;
  let plus = inc;
  let accMultiplier = 1n;
  let accPlus = 0n;
  for (let rest = draws; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) {
      accMultiplier = (accMultiplier * multiplier) & MASK_128;
      accPlus = (accPlus * multiplier + plus) & MASK_128;
    }
    plus = ((multiplier + 1n) * plus) & MASK_128;
    multiplier = (multiplier * multiplier) & MASK_128;
  }
  return (accMultiplier * state + accPlus) & MASK_128;
}

function join(words: ArrayLike<number>): bigint {
  let value = 0n;
  for (let i = 3; i >= 0; i--) value = (value << 32n) | BigInt(words[i] as number);
  return value;
}

function limbs(value: bigint): number[] {
  return [0n, 32n, 64n, 96n].map((shift) => Number((value >> shift) & 0xffff_ffffn));
}

function parse128(text: string, argument: string): bigint {
  const value = /^\d{1,39}$/.test(text) ? BigInt(text) : -1n;
  if (value >= 0n && value <= MASK_128) return value;
  throw new InvalidArgumentError(
    argument,
    text,
    `${argument} must be a 128-bit integer in decimal, got ${JSON.stringify(text)}`,
    { suggestions: ["pass what state() returned"] },
  );
}
