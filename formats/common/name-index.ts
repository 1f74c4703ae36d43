/** Rows by name, for hundreds of millions of names that stay where they are stored. */

/** Slots per row: a search that fails looks at 13 slots on average, and compares hardly any name. */
const SLOTS_PER_ROW = 1.25;

/** A 32-bit hash of bytes, well mixed in all bits. */
export function hashOf(bytes: Uint8Array, begin = 0, end = bytes.length): number {
  let hash = 0x811c9dc5;
  for (let i = begin; i < end; i++) {
    hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Whether a row has the name that is looked for. */
export type HasName = (row: number) => boolean;

/**
 * A hash table of rows in one typed array: 5 bytes a row, 894 MiB for 187 million. It does not
 * keep names: whoever asks compares. The bits of a slot that the rows leave free hold a part of the
 * hash, so that few rows with other names are compared.
 */
export class NameIndex {
  readonly #slots: Uint32Array;
  readonly #capacity: number;
  /** What a row may be, and 1: rows are stored from 1, 0 is an empty slot. */
  readonly #rowSpan: number;
  readonly #tags: number;

  /** @param length how many rows will be added at most, below 2^32 - 1 */
  constructor(length: number) {
    this.#capacity = Math.max(4, Math.ceil(length * SLOTS_PER_ROW));
    this.#slots = new Uint32Array(this.#capacity);
    this.#rowSpan = 2 ** Math.ceil(Math.log2(length + 2));
    this.#tags = Math.max(1, 2 ** 32 / this.#rowSpan);
  }

  get byteLength(): number {
    return this.#slots.byteLength;
  }

  /** Adds a row, unless an earlier one has the name. @returns that row, or -1 when it was added */
  add(row: number, hash: number, hasName: HasName): number {
    return this.#search(hash, hasName, row);
  }

  /** The row with a name, or -1. */
  find(hash: number, hasName: HasName): number {
    return this.#search(hash, hasName, -1);
  }

  #search(hash: number, hasName: HasName, added: number): number {
    const slots = this.#slots;
    const span = this.#rowSpan;
    // The place comes from the upper bits, the tag from the lower.
    let slot = Math.floor((hash / 2 ** 32) * this.#capacity);
    const tag = (hash % this.#tags) * span;
    for (;;) {
      const stored = slots[slot] as number;
      if (stored === 0) break;
      const row = (stored % span) - 1;
      if (stored - (row + 1) === tag && hasName(row)) return row;
      slot = slot + 1 === this.#capacity ? 0 : slot + 1;
    }
    if (added >= 0) slots[slot] = tag + added + 1;
    return -1;
  }
}
