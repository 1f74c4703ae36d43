/**
 * The hash of a name: FNV-1a over its UTF-8 bytes, then the finaliser of MurmurHash3, which spreads
 * names that differ only at their end over all 32 bits.
 */
export function hashName(bytes: Uint8Array, begin: number, end: number): number {
  let hash = OFFSET_BASIS;
  for (let i = begin; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), PRIME);
  return finished(hash);
}

/** The same of a text; -1 when it is not ASCII, whose bytes must be hashed. */
export function hashAscii(text: string): number {
  let hash = OFFSET_BASIS;
  let seen = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    seen |= code;
    hash = Math.imul(hash ^ code, PRIME);
  }
  return seen > 0x7f ? -1 : finished(hash);
}

const OFFSET_BASIS = 0x811c9dc5 | 0;
const PRIME = 0x01000193;

function finished(fnv: number): number {
  let hash = fnv;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** floor(hash x homes / 2^32), exactly: larger hashes have larger homes. */
export function homeOf(hash: number, homes: number): number {
  const low = Math.floor(((hash & 0xffff) * homes) / 0x10000);
  return Math.floor(((hash >>> 16) * homes + low) / 0x10000);
}
