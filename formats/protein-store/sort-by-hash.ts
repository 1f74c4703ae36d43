/** Bits of one pass; two passes sort the 24 bits that differ within a part. */
const DIGIT_BITS = 12;
const DIGITS = 1 << DIGIT_BITS;

export interface SortedPairs {
  readonly hashes: Uint32Array;
  readonly rows: Uint32Array;
}

/** (hash, row) pairs with equal highest 8 bits, sorted by hash; equal ones keep their order. */
export function sortByHash(pairs: Uint32Array): SortedPairs {
  const count = pairs.length / 2;
  const hashes = new Uint32Array(count);
  const rows = new Uint32Array(count);
  const lowHashes = new Uint32Array(count);
  const lowRows = new Uint32Array(count);
  const begins = new Uint32Array(DIGITS);
  for (let i = 0; i < count; i++) countOne(begins, (pairs[2 * i] as number) & (DIGITS - 1));
  toBegins(begins);
  for (let i = 0; i < count; i++) {
    const hash = pairs[2 * i] as number;
    const at = take(begins, hash & (DIGITS - 1));
    lowHashes[at] = hash;
    lowRows[at] = pairs[2 * i + 1] as number;
  }
  begins.fill(0);
  for (let i = 0; i < count; i++) countOne(begins, high(lowHashes[i] as number));
  toBegins(begins);
  for (let i = 0; i < count; i++) {
    const hash = lowHashes[i] as number;
    const at = take(begins, high(hash));
    hashes[at] = hash;
    rows[at] = lowRows[i] as number;
  }
  return { hashes, rows };
}

function high(hash: number): number {
  return (hash >>> DIGIT_BITS) & (DIGITS - 1);
}

function countOne(counts: Uint32Array, digit: number): void {
  counts[digit] = (counts[digit] as number) + 1;
}

function take(begins: Uint32Array, digit: number): number {
  const at = begins[digit] as number;
  begins[digit] = at + 1;
  return at;
}

function toBegins(counts: Uint32Array): void {
  let total = 0;
  for (let digit = 0; digit < counts.length; digit++) {
    const count = counts[digit] as number;
    counts[digit] = total;
    total += count;
  }
}
