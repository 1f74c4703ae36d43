import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { shown } from "../../formats/common/options.ts";

/** A non-negative integer of any size, or a list of them, as numpy's `default_rng` takes it. */
export type Seed = number | bigint | readonly (number | bigint)[];

/** Everything that makes a {@link SeedSequence} again; goes through JSON. */
export interface SeedSequenceState {
  /** Decimal, in the order given. */
  readonly entropy: readonly string[];
  readonly spawnKey: readonly string[];
  readonly childrenSpawned: number;
}

const POOL_WORDS = 4;
const INIT_A = 0x43b0_d7e5;
const MULT_A = 0x931e_8875;
const INIT_B = 0x8b51_f9dd;
const MULT_B = 0x58f3_8ded;
const MIX_LEFT = 0xca01_f9dd;
const MIX_RIGHT = 0x4973_f715;

/**
 * numpy's SeedSequence: hashes integers of any size into well mixed 32-bit words (O'Neill's
 * seed_seq_fe with 128 bits of state).
 *
 * Missing words are hashed as zeros, so seeds that differ only by trailing zero words (up to four)
 * are one sequence: 42, [42, 0] and [42, 0, 0] are the same.
 */
export class SeedSequence {
  readonly #entropy: readonly bigint[];
  readonly #spawnKey: readonly bigint[];
  readonly #pool = new Uint32Array(POOL_WORDS);
  #childrenSpawned: number;

  /** Throws InvalidArgumentError for a seed that is negative or not an integer. */
  constructor(
    entropy: Seed,
    options: { readonly spawnKey?: Seed; readonly childrenSpawned?: number } = {},
  ) {
    this.#entropy = toIntegers(entropy, "seed");
    this.#spawnKey = toIntegers(options.spawnKey ?? [], "spawnKey");
    this.#childrenSpawned = options.childrenSpawned ?? 0;
    const words = this.#entropy.flatMap(toWords);
    if (this.#spawnKey.length > 0) {
      // Padded, so that a spawn key never falls into the words of a short seed.
      while (words.length < POOL_WORDS) words.push(0);
      words.push(...this.#spawnKey.flatMap(toWords));
    }
    this.#mix(words);
  }

  static fromState(state: SeedSequenceState): SeedSequence {
    return new SeedSequence(state.entropy.map(BigInt), {
      spawnKey: state.spawnKey.map(BigInt),
      childrenSpawned: state.childrenSpawned,
    });
  }

  state(): SeedSequenceState {
    return {
      entropy: this.#entropy.map(String),
      spawnKey: this.#spawnKey.map(String),
      childrenSpawned: this.#childrenSpawned,
    };
  }

  /** `count` 32-bit words; the same ones at every call. */
  generateState(count: number): Uint32Array {
    const words = new Uint32Array(count);
    let hash = INIT_B;
    for (let i = 0; i < count; i++) {
      let value = (this.#pool[i % POOL_WORDS] as number) ^ hash;
      hash = Math.imul(hash, MULT_B);
      value = Math.imul(value, hash);
      words[i] = value ^ (value >>> 16);
    }
    return words;
  }

  /** `count` independent children; later calls go on counting. */
  spawn(count: number): SeedSequence[] {
    const children = Array.from(
      { length: count },
      (_, i) =>
        new SeedSequence(this.#entropy, {
          spawnKey: [...this.#spawnKey, this.#childrenSpawned + i],
        }),
    );
    this.#childrenSpawned += count;
    return children;
  }

  #mix(words: readonly number[]): void {
    const pool = this.#pool;
    let hash = INIT_A;
    const hashed = (word: number): number => {
      let value = word ^ hash;
      hash = Math.imul(hash, MULT_A);
      value = Math.imul(value, hash);
      return value ^ (value >>> 16);
    };
    const mixInto = (to: number, word: number): void => {
      const value = Math.imul(MIX_LEFT, pool[to] as number) - Math.imul(MIX_RIGHT, hashed(word));
      pool[to] = value ^ (value >>> 16);
    };
    for (let i = 0; i < POOL_WORDS; i++) pool[i] = hashed(words[i] ?? 0);
    for (let from = 0; from < POOL_WORDS; from++) {
      for (let to = 0; to < POOL_WORDS; to++) {
        if (from !== to) mixInto(to, pool[from] as number);
      }
    }
    for (const word of words.slice(POOL_WORDS)) {
      for (let to = 0; to < POOL_WORDS; to++) mixInto(to, word);
    }
  }
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function toIntegers(seed: Seed, argument: string): bigint[] {
  const list = typeof seed === "number" || typeof seed === "bigint" ? [seed] : seed;
  if (!Array.isArray(list) || !list.every(isNumber)) {
    const message = `${argument}: expected an integer or a list of them, found ${shown(seed)}`;
    throw new InvalidArgumentError(argument, seed, message, {
      suggestions: ["give one, e.g. 42: without a seed a run cannot be repeated"],
    });
  }
  return list.map((value) => {
    if (typeof value === "number" && !Number.isSafeInteger(value)) {
      throw new InvalidArgumentError(
        argument,
        value,
        `${argument} must be an integer below 2^53, or a bigint, got ${value}`,
      );
    }
    if (value < 0) {
      throw new InvalidArgumentError(
        argument,
        value,
        `${argument} must not be negative, got ${value}`,
      );
    }
    return BigInt(value);
  });
}

/** 32-bit words, least significant first; zero is one word. */
export function toWords(value: bigint): number[] {
  const words: number[] = [];
  for (let rest = value; rest > 0n || words.length === 0; rest >>= 32n) {
    words.push(Number(rest & 0xffff_ffffn));
  }
  return words;
}
