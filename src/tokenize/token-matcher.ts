/** What {@link TokenMatcher} says of a unit that is no token of its own. */
const UNKNOWN = -1;
const SPACE = -2;
/** A longer token starts with it. */
const LONGER = -3;

/** Text as UTF-16 units, or as bytes: one unit a byte (Latin-1, which ASCII is part of). */
export type Units = Uint8Array | Uint16Array;

/**
 * Finds the tokens of a vocabulary in text: from left to right, the longest that starts at a place.
 * Text between tokens is split at spaces, and every piece left is one unknown token.
 */
export class TokenMatcher {
  /** For a unit below 256: the id of the token that it is, or what it is instead. */
  readonly #table = new Int32Array(256).fill(UNKNOWN);
  /** Tokens of several units, or of one beyond 255, by their first unit; the longest first. */
  readonly #longer = new Map<number, { readonly units: Uint16Array; readonly id: number }[]>();
  readonly #single = new Int32Array(256).fill(UNKNOWN);

  constructor(tokens: readonly string[]) {
    for (let unit = 0; unit < 256; unit++) {
      if (isPythonSpace(unit)) this.#table[unit] = SPACE;
    }
    for (const [id, token] of tokens.entries()) {
      const units = unitsOf(token);
      const first = units[0] as number;
      if (units.length === 1 && first < 256) {
        this.#table[first] = id;
        this.#single[first] = id;
        continue;
      }
      const others = this.#longer.get(first) ?? [];
      others.push({ units, id });
      others.sort((a, b) => b.units.length - a.units.length);
      this.#longer.set(first, others);
    }
    for (const first of this.#longer.keys()) {
      if (first < 256) this.#table[first] = LONGER;
    }
  }

  /**
   * Writes the ids of the tokens in units [0, length) to `target` from `offset` on, `unknownId` for
   * each unknown piece; there are at most as many as units. Returns the place after the last.
   */
  write(
    units: Units,
    length: number,
    unknownId: number,
    target: Int32Array,
    offset: number,
  ): number {
    const table = this.#table;
    let at = offset;
    let inUnknown = false;
    for (let i = 0; i < length; ) {
      const unit = units[i] as number;
      let id = unit < 256 ? (table[unit] as number) : this.#beyondLatin1(unit);
      let width = 1;
      if (id === LONGER) {
        const found = this.#longest(units, i, length);
        id = found?.id ?? (unit < 256 ? (this.#single[unit] as number) : UNKNOWN);
        width = found?.units.length ?? 1;
      }
      i += width;
      if (id >= 0) {
        target[at++] = id;
        inUnknown = false;
      } else if (id === SPACE) {
        inUnknown = false;
      } else if (!inUnknown) {
        target[at++] = unknownId;
        inUnknown = true;
      }
    }
    return at;
  }

  #beyondLatin1(unit: number): number {
    if (this.#longer.has(unit)) return LONGER;
    return isPythonSpace(unit) ? SPACE : UNKNOWN;
  }

  #longest(units: Units, begin: number, end: number) {
    for (const candidate of this.#longer.get(units[begin] as number) ?? []) {
      const { units: token } = candidate;
      if (begin + token.length > end) continue;
      let k = 1;
      while (k < token.length && units[begin + k] === token[k]) k++;
      if (k === token.length) return candidate;
    }
    return;
  }
}

/** The UTF-16 units of a text, in `target` when it is long enough. */
export function unitsOf(text: string, target: Uint16Array = new Uint16Array(text.length)) {
  const units = target.length >= text.length ? target : new Uint16Array(text.length);
  for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
  return units;
}

/** Whether Python's `str.split()` splits at this unit. */
function isPythonSpace(unit: number): boolean {
  if (unit <= 0x20) return (unit >= 0x09 && unit <= 0x0d) || unit >= 0x1c;
  if (unit < 0x1680) return unit === 0x85 || unit === 0xa0;
  return (
    unit === 0x1680 ||
    (unit >= 0x2000 && unit <= 0x200a) ||
    unit === 0x2028 ||
    unit === 0x2029 ||
    unit === 0x202f ||
    unit === 0x205f ||
    unit === 0x3000
  );
}
