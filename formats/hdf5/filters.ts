import zlib from "node:zlib";
import { FormatError, UnsupportedFeatureError } from "../common/errors.ts";
import { fletcher32, swappedHalves } from "./fletcher32.ts";
import { lzfDecompress } from "./lzf.ts";

/** One step of a dataset's filter pipeline, in the order in which it was applied when writing. */
export interface FilterSpec {
  /** Registered number, see the FILTER_ constants. */
  readonly id: number;
  readonly name: string;
  /** Client values, e.g. the element size of shuffle. */
  readonly values: readonly number[];
}

export const FILTER_DEFLATE = 1;
export const FILTER_SHUFFLE = 2;
export const FILTER_FLETCHER32 = 3;
export const FILTER_LZF = 32_000;
export const FILTER_ZSTD = 32_015;

// Node 22.15 and later have it; looked up at run time so that an older Node can load this module.
const zstdDecompressSync: ((typeof zlib)["zstdDecompressSync"] & object) | undefined =
  zlib.zstdDecompressSync;

/** Whether {@link decodeChunk} knows every step; when not, h5wasm reads the dataset. */
export function canDecode(filters: readonly FilterSpec[]): boolean {
  return filters.every(
    ({ id }) =>
      id === FILTER_DEFLATE ||
      id === FILTER_SHUFFLE ||
      id === FILTER_FLETCHER32 ||
      id === FILTER_LZF ||
      (id === FILTER_ZSTD && zstdDecompressSync !== undefined),
  );
}

/**
 * Undoes the filters of one chunk. Synchronous and free of state: usable in any thread.
 *
 * @param raw the chunk as it lies in the file
 * @param mask bit i set: filter i was skipped for this chunk
 * @param itemBytes bytes of one element, for shuffle without a client value
 * @param expectedBytes bytes of the decoded chunk; never more than this (plus checksums) is produced
 * @returns exactly `expectedBytes` bytes; a view of `raw` when nothing had to be done
 * @throws FormatError for damaged bytes or a wrong checksum
 */
export function decodeChunk(
  raw: Uint8Array,
  filters: readonly FilterSpec[],
  mask: number,
  itemBytes: number,
  expectedBytes: number,
  path: string,
): Uint8Array {
  let bytes = raw;
  // A checksum that was appended before compressing adds 4 bytes to what compression must restore.
  let checksums = 0;
  for (const [step, { id }] of filters.entries()) {
    if (id === FILTER_FLETCHER32 && ((mask >>> step) & 1) === 0) checksums++;
  }
  for (let step = filters.length - 1; step >= 0; step--) {
    if (((mask >>> step) & 1) !== 0) continue;
    const filter = filters[step] as FilterSpec;
    if (filter.id === FILTER_FLETCHER32) {
      bytes = verifyFletcher32(bytes, path);
      checksums--;
    } else {
      const before = bytes;
      bytes = undo(filter, before, itemBytes, expectedBytes + 4 * checksums, path);
      if (before.buffer !== raw.buffer && before.buffer !== bytes.buffer) freeChunk(before);
    }
  }
  if (bytes.byteLength < expectedBytes) {
    throw new FormatError(
      "bad-chunk",
      `a chunk decodes to ${bytes.byteLength} bytes, expected ${expectedBytes}`,
      { path },
    );
  }
  return bytes.byteLength === expectedBytes ? bytes : bytes.subarray(0, expectedBytes);
}

/** Smaller buffers of Node's may be parts of its pool, which others use. */
const OWN_BUFFER_BYTES = Math.max(65_536, Buffer.poolSize);

/**
 * Gives back the memory of a decoded chunk at once: the garbage collector would let hundreds of MB
 * gather first. Nobody may read `bytes` or another view of its buffer afterwards.
 */
export function freeChunk(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength > OWN_BUFFER_BYTES) buffer.transfer(0);
}

function undo(
  filter: FilterSpec,
  bytes: Uint8Array,
  itemBytes: number,
  limit: number,
  path: string,
): Uint8Array {
  switch (filter.id) {
    case FILTER_DEFLATE:
      return decompress(zlib.inflateSync, "gzip", bytes, limit, path);
    case FILTER_ZSTD:
      if (zstdDecompressSync === undefined) break;
      return decompress(zstdDecompressSync, "zstd", bytes, limit, path);
    case FILTER_LZF: {
      const target = new Uint8Array(limit);
      const length = lzfDecompress(bytes, target);
      if (length < 0) throw new FormatError("bad-chunk", "damaged lzf data", { path });
      return target.subarray(0, length);
    }
    case FILTER_SHUFFLE:
      return unshuffle(bytes, filter.values[0] ?? itemBytes);
    default:
      break;
  }
  throw new UnsupportedFeatureError(
    "hdf5-filter",
    `${path}: HDF5 filter ${filter.id} (${filter.name}) has no decoder here`,
  );
}

function decompress(
  inflate: (bytes: Uint8Array, options: { chunkSize: number; maxOutputLength: number }) => Buffer,
  name: string,
  bytes: Uint8Array,
  limit: number,
  path: string,
): Uint8Array {
  try {
    // One output buffer of the final size: no growing, no concatenation.
    return inflate(bytes, { chunkSize: Math.max(64, limit), maxOutputLength: Math.max(1, limit) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FormatError("bad-chunk", `damaged ${name} data: ${reason}`, { path, cause: error });
  }
}

function verifyFletcher32(bytes: Uint8Array, path: string): Uint8Array {
  if (bytes.byteLength < 4) {
    throw new FormatError("bad-chunk", "a chunk is shorter than its checksum", { path });
  }
  const data = bytes.subarray(0, bytes.byteLength - 4);
  const tail = bytes.subarray(bytes.byteLength - 4);
  const stored = new DataView(tail.buffer, tail.byteOffset, 4).getUint32(0, true);
  const computed = fletcher32(data);
  if (stored !== computed && stored !== swappedHalves(computed)) {
    throw new FormatError(
      "bad-checksum",
      `a chunk's fletcher32 checksum is ${stored.toString(16)}, expected ${computed.toString(16)}`,
      { path },
    );
  }
  return data;
}

/** Byte k of every element lies together: bytes 0, then bytes 1, ... A rest stays as it is. */
function unshuffle(bytes: Uint8Array, itemBytes: number): Uint8Array {
  const count = itemBytes > 1 ? Math.floor(bytes.byteLength / itemBytes) : 0;
  if (count <= 1) return bytes;
  const target = new Uint8Array(bytes.byteLength);
  if (itemBytes === 4) {
    const b1 = count;
    const b2 = 2 * count;
    const b3 = 3 * count;
    // Whole words at a time: 4x as fast as single bytes.
    const words = new Uint32Array(target.buffer, 0, count);
    for (let i = 0; i < count; i++) {
      words[i] =
        (bytes[i] as number) |
        ((bytes[b1 + i] as number) << 8) |
        ((bytes[b2 + i] as number) << 16) |
        ((bytes[b3 + i] as number) << 24);
    }
  } else {
    for (let k = 0; k < itemBytes; k++) {
      const from = k * count;
      for (let i = 0, to = k; i < count; i++, to += itemBytes) {
        target[to] = bytes[from + i] as number;
      }
    }
  }
  target.set(bytes.subarray(count * itemBytes), count * itemBytes);
  return target;
}
