import type { ByteStream } from "../../formats/bytes/byte-stream.ts";
import { crc32 } from "../../formats/common/crc32.ts";
import { IncompatibleError } from "../../formats/common/errors.ts";

/** Of these first bytes of a shard, as it is stored, a checksum is kept. */
export const IDENTITY_BYTES = 2 ** 14;

/** Tells the versions of a shard apart, wherever it lies. */
export interface ShardIdentity {
  /** Length of the file; null where a server was not asked for it. */
  readonly bytes: number | null;
  /** CRC-32 of its first 16 KiB. */
  readonly head: number;
}

/** Where reading stands in a pass: how many samples of which shard are read. */
export interface ShardPlace extends ShardIdentity {
  /** Counts the shards of the pass, in the order they are read. */
  readonly shard: number;
  readonly sample: number;
}

/** @param head the first {@link IDENTITY_BYTES}, or all there are */
export function identityOf(head: Uint8Array, bytes: number | null): ShardIdentity {
  return { bytes, head: crc32(head.subarray(0, IDENTITY_BYTES)) >>> 0 };
}

export function isShardPlace(value: unknown): value is ShardPlace {
  if (typeof value !== "object" || value === null) return false;
  const { shard, sample, bytes, head } = value as Partial<Record<keyof ShardPlace, unknown>>;
  return [shard, sample, bytes ?? 0, head].every(
    (number) => Number.isSafeInteger(number) && Number(number) >= 0,
  );
}

/**
 * @param found where the number of samples of the state leads to now
 * @throws IncompatibleError "state-mismatch" when it is another place or the shard another one.
 */
export function assertSamePlace(expected: ShardPlace, found: ShardPlace, url: string): void {
  const isSameShard =
    found.head === expected.head &&
    (found.bytes === null || expected.bytes === null || found.bytes === expected.bytes);
  const isSamePlace = found.shard === expected.shard && found.sample === expected.sample;
  if (isSameShard && isSamePlace) return;
  const message = isSamePlace
    ? `${url}: the shard was replaced after the state was taken`
    : `the state stands after sample ${expected.sample} of shard ${expected.shard} of the pass, the shards now lead to sample ${found.sample} of shard ${found.shard}`;
  throw new IncompatibleError("state-mismatch", message, {
    suggestions: ["use the shards that the state was taken with", "start a new epoch"],
  });
}

/** The first bytes of a stream, fewer when it ends. */
export async function readHead(stream: ByteStream): Promise<Uint8Array> {
  const head = new Uint8Array(IDENTITY_BYTES);
  let length = 0;
  while (length < head.byteLength) {
    const got = await stream.read(head.subarray(length));
    if (got === 0) break;
    length += got;
  }
  return head.subarray(0, length);
}
