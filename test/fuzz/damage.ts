/** Seeded damage to files, and what a reader may do with it. */
import { isScdlError } from "../../formats/common/errors.ts";

/** A generator of 32-bit numbers (mulberry32): the same seed gives the same damage. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Values that hostile counts, sizes and addresses like to have. */
const HOSTILE = [0, 1, 0x7f, 0x80, 0xff, 0xfe];

/**
 * A copy with one to four bytes changed, or in one of eight cases a run of up to eight bytes set to
 * one hostile value. Half of the places lie in the first `head` bytes, where structure is dense.
 */
export function damaged(bytes: Uint8Array, seed: number, head = 4096): Uint8Array {
  const random = randomOf(seed);
  const copy = Uint8Array.from(bytes);
  const place = (): number =>
    random(2) === 0 ? random(Math.min(head, copy.length)) : random(copy.length);
  if (random(8) === 0) {
    const at = place();
    copy.fill(HOSTILE[random(HOSTILE.length)] ?? 0, at, at + 1 + random(8));
    return copy;
  }
  for (let changes = 1 + random(4); changes > 0; changes--) {
    const at = place();
    copy[at] = (copy[at] ?? 0) ^ (1 + random(255));
  }
  return copy;
}

/** A copy with exactly one byte changed, anywhere. */
export function flipped(bytes: Uint8Array, seed: number): Uint8Array {
  const random = randomOf(seed);
  const copy = Uint8Array.from(bytes);
  const at = random(copy.length);
  copy[at] = (copy[at] ?? 0) ^ (1 + random(255));
  return copy;
}

/** The typed error of `read`, or null when it had none. @throws what is not a typed error. */
export async function typedErrorOf(read: () => Promise<unknown>): Promise<unknown> {
  try {
    await read();
    return null;
  } catch (error) {
    if (isScdlError(error)) return error;
    throw new Error("an untyped error came through", { cause: error });
  }
}
