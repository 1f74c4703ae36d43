/** murmur3's finaliser: a bijection of 32-bit words in which every bit depends on every other. */
export function mix32(value: number): number {
  let z = value | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85eb_ca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
  return z ^ (z >>> 16);
}

/** A 32-bit word (signed) that depends on every part; a part counts with its low 32 bits. */
export function hashParts(parts: readonly number[]): number {
  let hash = 0x9e37_79b9;
  for (const part of parts) hash = mix32(Math.imul(hash, 5) + mix32(part | 0) + 0xe654_6b64);
  return hash;
}

/** The bits of a safe integer above the lowest 32, for {@link hashParts}. */
export function highBits(value: number): number {
  return Math.floor(value / 2 ** 32);
}
