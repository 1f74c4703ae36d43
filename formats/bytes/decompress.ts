/** Compressed files, known by their first bytes, as chunks of what they hold. */
import { createReadStream } from "node:fs";
import { pipeline, Readable } from "node:stream";
import zlib from "node:zlib";
import {
  FormatError,
  fromFsError,
  isScdlError,
  UnsupportedFeatureError,
} from "../common/errors.ts";
import { framesApart } from "./zstd-frames.ts";

const CHUNK_BYTES = 2 ** 18;
/** First bytes of what is recognised; bzip2 and xz only to be named. */
const MAGICS = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
] as const;
/** How many bytes {@link compressionOf} needs. */
export const MAGIC_BYTES = 5;
export type Compression = "gzip" | "zstd";

/** How the file that begins with `bytes` is compressed, or null. @throws UnsupportedFeatureError */
export function compressionOf(bytes: Uint8Array, path: string): Compression | null {
  const found = MAGICS.find(([, magic]) => magic.every((byte, i) => bytes[i] === byte))?.[0];
  if (found === undefined || found === "gzip" || found === "zstd") return found ?? null;
  throw new UnsupportedFeatureError(found, `${path}: files compressed with ${found} are not read`, {
    suggestions: ["decompress it, or use gzip or zstd"],
  });
}

/** @throws FormatError when the compressed bytes are damaged or cut. */
export async function* decompressed(
  chunks: AsyncIterable<Uint8Array>,
  compression: Compression,
  path: string,
): AsyncGenerator<Uint8Array> {
  const decoder =
    compression === "gzip"
      ? zlib.createGunzip({ chunkSize: CHUNK_BYTES })
      : zlib.createZstdDecompress({ chunkSize: CHUNK_BYTES });
  const frames = compression === "zstd" ? framesApart(chunks, path) : chunks;
  const source = Readable.from(frames, { objectMode: true, highWaterMark: 1 });
  // An error of either destroys the decoder with it, and the loop below throws it.
  pipeline(source, decoder, () => {});
  try {
    for await (const chunk of decoder) yield chunk;
  } catch (error) {
    if (isScdlError(error) || !isZlibError(error)) throw error;
    const isCut = error.message === "unexpected end of file";
    throw new FormatError(isCut ? "truncated" : `bad-${compression}`, error.message, {
      path,
      cause: error,
      suggestions: ["copy or write the file again: it is damaged or was cut"],
    });
  } finally {
    source.destroy();
    decoder.destroy();
  }
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && /^(Z_|ZSTD_)/.test(String(error.code));
}

/** A file in chunks. */
export async function* fileChunks(path: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 18 })) yield chunk;
  } catch (error) {
    throw isScdlError(error) ? error : fromFsError(error, path);
  }
}

/** The first bytes of a stream, `length` of them where it has so many, and all of it. */
export async function peek(
  chunks: AsyncGenerator<Uint8Array>,
  length = MAGIC_BYTES,
): Promise<readonly [Uint8Array, AsyncIterable<Uint8Array>]> {
  const first: Uint8Array[] = [];
  let found = 0;
  while (found < length) {
    const next = await chunks.next();
    if (next.done === true) break;
    first.push(next.value);
    found += next.value.byteLength;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield* first;
      yield* chunks;
    } finally {
      await chunks.return(undefined);
    }
  }
  return [new Uint8Array(Buffer.concat(first)).subarray(0, length), all()];
}
