import type { Wire } from "./wire.ts";

/** Bytes received before they are added: a part that stays in the processor's cache. */
const PART_FLOATS = 65_536;

/** The neighbours of a rank: it sends to `next` and receives from `previous`. */
export interface Ring {
  readonly rank: number;
  readonly worldSize: number;
  readonly next: Wire;
  readonly previous: Wire;
}

/**
 * Adds up a bucket over the ring, in place. It has one part for every rank; part c is added up on its
 * way from rank c around to rank c - 1, in this order on every computer, and then sent around as it is:
 * all ranks end with the same bits, and each sends and receives less than twice the bucket.
 */
export async function ringSum(ring: Ring, bucket: Float32Array): Promise<void> {
  const { rank, worldSize } = ring;
  const part = (index: number): Float32Array => {
    const at = (index + worldSize) % worldSize;
    const bound = (i: number) => Math.floor((bucket.length * i) / worldSize);
    return bucket.subarray(bound(at), bound(at + 1));
  };
  for (let step = 0; step < worldSize - 1; step++) {
    const [mine, theirs] = [part(rank - step), part(rank - step - 1)];
    await Promise.all([ring.next.send(bytesOf(mine)), receiveAndAdd(ring.previous, theirs)]);
  }
  for (let step = 0; step < worldSize - 1; step++) {
    const [mine, theirs] = [part(rank + 1 - step), part(rank - step)];
    await Promise.all([ring.next.send(bytesOf(mine)), ring.previous.receive(bytesOf(theirs))]);
  }
}

/** Hands the bytes of `root` on along the ring. */
export async function ringBroadcast(ring: Ring, bytes: Uint8Array, root: number): Promise<void> {
  const { rank, worldSize, next, previous } = ring;
  const isLast = (rank + 1) % worldSize === root;
  for (let begin = 0; begin < bytes.length; begin += 4 * PART_FLOATS) {
    const part = bytes.subarray(begin, begin + 4 * PART_FLOATS);
    if (rank !== root) await previous.receive(part);
    if (!isLast) await next.send(part);
  }
}

async function receiveAndAdd(from: Wire, into: Float32Array): Promise<void> {
  const scratch = new Float32Array(Math.min(into.length, PART_FLOATS));
  for (let begin = 0; begin < into.length; begin += PART_FLOATS) {
    const target = into.subarray(begin, begin + PART_FLOATS);
    const values = scratch.subarray(0, target.length);
    await from.receive(bytesOf(values));
    for (let i = 0; i < values.length; i++) {
      target[i] = (values[i] as number) + (target[i] as number);
    }
  }
}

function bytesOf(array: Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
