/**
 * Where the samples of a shard begin, so that reading can go on at any of them. Written beside the
 * shard as `<shard>.index`, little-endian:
 *
 * | bytes | content                                                     |
 * | ----- | ----------------------------------------------------------- |
 * | 8     | "SCDLTIX1"                                                  |
 * | 8     | uint64, length of the shard in bytes                        |
 * | 8     | uint64, n: number of samples                                |
 * | 8 n   | float64, offset of each sample's first header, ascending    |
 * | 4 n   | uint32, CRC-32 of each sample's key                         |
 * | 4     | uint32, CRC-32 of all before                                |
 */
import { existsSync, readFileSync } from "node:fs";
import { crc32 } from "../../formats/common/crc32.ts";
import { FormatError, fromFsError } from "../../formats/common/errors.ts";
import { toSafeInteger } from "../../formats/common/safe-integer.ts";

export interface ShardIndex {
  /** Length of the shard in bytes; null when it is compressed or not known. */
  readonly shardBytes: number | null;
  readonly offsets: Float64Array;
  readonly keyHashes: Uint32Array;
}

const MAGIC = "SCDLTIX1";
const HEADER_BYTES = 24;

export function indexPath(shard: string): string {
  return `${shard}.index`;
}

export function keyHash(key: string): number {
  return crc32(Buffer.from(key)) >>> 0;
}

export function encodeIndex(index: ShardIndex & { readonly shardBytes: number }): Uint8Array {
  const count = index.offsets.length;
  const bytes = Buffer.alloc(HEADER_BYTES + 12 * count + 4);
  bytes.write(MAGIC, "latin1");
  bytes.writeBigUInt64LE(BigInt(index.shardBytes), 8);
  bytes.writeBigUInt64LE(BigInt(count), 16);
  for (let i = 0; i < count; i++) {
    bytes.writeDoubleLE(index.offsets[i] as number, HEADER_BYTES + 8 * i);
    bytes.writeUInt32LE(index.keyHashes[i] as number, HEADER_BYTES + 8 * count + 4 * i);
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, bytes.length - 4)) >>> 0, bytes.length - 4);
  return bytes;
}

/**
 * The index beside a shard; null when there is none or it is that of a shard of another length.
 * @throws FormatError when the file is damaged.
 */
export function readIndexFile(shard: string, shardBytes: number): ShardIndex | null {
  const path = indexPath(shard);
  if (!existsSync(path)) return null;
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw fromFsError(error, path);
  }
  const index = decodeIndex(bytes, path);
  return index.shardBytes === shardBytes ? index : null;
}

export function decodeIndex(bytes: Buffer, path: string): ShardIndex {
  const damaged = (message: string) =>
    new FormatError("bad-index", message, {
      path,
      suggestions: ["delete it: it is made again when it is needed"],
    });
  if (bytes.length < HEADER_BYTES + 4 || bytes.toString("latin1", 0, 8) !== MAGIC) {
    throw damaged(`expected a shard index beginning with "${MAGIC}"`);
  }
  const shardBytes = toSafeInteger(bytes.readBigUInt64LE(8), "length of the shard", path, 8);
  const count = toSafeInteger(bytes.readBigUInt64LE(16), "number of samples", path, 16);
  if (bytes.length !== HEADER_BYTES + 12 * count + 4) {
    throw damaged(`expected ${HEADER_BYTES + 12 * count + 4} bytes, found ${bytes.length}`);
  }
  if (crc32(bytes.subarray(0, bytes.length - 4)) >>> 0 !== bytes.readUInt32LE(bytes.length - 4)) {
    throw damaged("the checksum does not match");
  }
  const offsets = new Float64Array(count);
  const keyHashes = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const offset = bytes.readDoubleLE(HEADER_BYTES + 8 * i);
    const least = i === 0 ? 0 : (offsets[i - 1] as number) + 1;
    if (!(offset >= least && offset < shardBytes && offset % 512 === 0)) {
      throw damaged(`expected ascending multiples of 512 below ${shardBytes}, found ${offset}`);
    }
    offsets[i] = offset;
    keyHashes[i] = bytes.readUInt32LE(HEADER_BYTES + 8 * count + 4 * i);
  }
  return { shardBytes, offsets, keyHashes };
}
