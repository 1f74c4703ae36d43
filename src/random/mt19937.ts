import { InvalidArgumentError } from "../../formats/common/errors.ts";

export const STATE_WORDS = 624;
const SHIFT = 397;
const MATRIX = 0x9908_b0df;

/** Position of an {@link Mt19937}; `words` is base64 of 624 little-endian 32-bit words. */
export interface Mt19937State {
  readonly words: string;
  /** Words of the block that are drawn, 0 to 624. */
  readonly position: number;
  /** False from seeding until the first draw. */
  readonly twisted: boolean;
}

/** MT19937 (Matsumoto and Nishimura 1998): the engine of torch's CPU and Python's generator. */
export class Mt19937 {
  readonly words: Uint32Array;
  readonly #outputs = new Uint32Array(STATE_WORDS);
  #position: number;
  /** False from seeding until the first draw. */
  #twisted: boolean;

  private constructor(words: Uint32Array, position: number, twisted: boolean) {
    this.words = words;
    this.#position = position;
    this.#twisted = twisted;
    if (position < STATE_WORDS) this.#temper();
  }

  /** Seeded by one 32-bit word (`init_genrand`), as torch does. */
  static fromWord(seed: number): Mt19937 {
    return new Mt19937(initial(seed), STATE_WORDS, false);
  }

  /** Seeds again by one 32-bit word, in the memory that is there. */
  reseed(seed: number): void {
    initialize(this.words, seed);
    this.#position = STATE_WORDS;
    this.#twisted = false;
  }

  /** Seeded by an array of 32-bit words (`init_by_array`), as Python does. */
  static fromWords(key: readonly number[]): Mt19937 {
    const words = initial(19_650_218);
    let i = 1;
    const mixed = (multiplier: number): number => {
      const before = words[i - 1] as number;
      return (words[i] as number) ^ Math.imul(before ^ (before >>> 30), multiplier);
    };
    const onward = (): void => {
      i++;
      if (i < STATE_WORDS) return;
      words[0] = words[STATE_WORDS - 1] as number;
      i = 1;
    };
    for (let k = 0; k < Math.max(STATE_WORDS, key.length); k++) {
      const j = k % key.length;
      words[i] = mixed(1_664_525) + (key[j] as number) + j;
      onward();
    }
    for (let k = 1; k < STATE_WORDS; k++) {
      words[i] = mixed(1_566_083_941) - i;
      onward();
    }
    words[0] = 0x8000_0000;
    return new Mt19937(words, STATE_WORDS, false);
  }

  /** Throws InvalidArgumentError unless there are 624 words and a position of 0 to 624. */
  static at(words: Uint32Array, position: number, twisted = true): Mt19937 {
    if (words.length !== STATE_WORDS || !(position >= 0 && position <= STATE_WORDS)) {
      throw new InvalidArgumentError(
        "state",
        position,
        `an MT19937 state has 624 words and a position of 0 to 624, got ${words.length} and ${position}`,
        { suggestions: ["pass what state() returned"] },
      );
    }
    return new Mt19937(words, position, twisted);
  }

  static fromState(state: Mt19937State): Mt19937 {
    const bytes = Buffer.from(state.words, "base64");
    const words = new Uint32Array(Math.floor(bytes.length / 4));
    for (let i = 0; i < words.length; i++) words[i] = bytes.readUInt32LE(4 * i);
    return Mt19937.at(words, state.position, state.twisted);
  }

  state(): Mt19937State {
    const bytes = Buffer.alloc(4 * STATE_WORDS);
    for (let i = 0; i < STATE_WORDS; i++) bytes.writeUInt32LE(this.words[i] as number, 4 * i);
    return { words: bytes.toString("base64"), position: this.#position, twisted: this.#twisted };
  }

  /** Words of the block that are drawn; 624 right after seeding. */
  get position(): number {
    return this.#position;
  }

  /** False from seeding until the first draw. */
  get twisted(): boolean {
    return this.#twisted;
  }

  /** The next 32-bit output. */
  next32(): number {
    if (this.#position === STATE_WORDS) {
      this.#twist();
      this.#temper();
      this.#position = 0;
      this.#twisted = true;
    }
    const position = this.#position;
    this.#position = position + 1;
    return this.#outputs[position] as number;
  }

  #twist(): void {
    const words = this.words;
    let i = 0;
    for (; i < STATE_WORDS - SHIFT; i++) {
      words[i] = (words[i + SHIFT] as number) ^ twisted(words[i] as number, words[i + 1] as number);
    }
    for (; i < STATE_WORDS - 1; i++) {
      words[i] =
        (words[i + SHIFT - STATE_WORDS] as number) ^
        twisted(words[i] as number, words[i + 1] as number);
    }
    words[i] = (words[SHIFT - 1] as number) ^ twisted(words[i] as number, words[0] as number);
  }

  #temper(): void {
    for (let i = 0; i < STATE_WORDS; i++) {
      let y = this.words[i] as number;
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c_5680;
      y ^= (y << 15) & 0xefc6_0000;
      this.#outputs[i] = y ^ (y >>> 18);
    }
  }
}

function initial(seed: number): Uint32Array {
  const words = new Uint32Array(STATE_WORDS);
  initialize(words, seed);
  return words;
}

function initialize(words: Uint32Array, seed: number): void {
  words[0] = seed;
  let word = seed | 0;
  for (let i = 1; i < STATE_WORDS; i++) {
    word = (Math.imul(word ^ (word >>> 30), 1_812_433_253) + i) | 0;
    words[i] = word;
  }
}

function twisted(upper: number, lower: number): number {
  const joined = (upper & 0x8000_0000) | (lower & 0x7fff_ffff);
  return (joined >>> 1) ^ (-(lower & 1) & MATRIX);
}
