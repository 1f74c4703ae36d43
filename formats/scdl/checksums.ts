/** `checksums.json`: length and CRC-32 of every file of a data set. The original ignores it. */
import { FileSource } from "../bytes/file-source.ts";
import { crc32, crc32Hex } from "../common/crc32.ts";
import { FormatError } from "../common/errors.ts";
import type { FileDigest } from "../common/output-file.ts";
import { pythonJson } from "../common/python-json.ts";

const CHUNK_BYTES = 4 << 20;

export function encodeChecksums(digests: ReadonlyMap<string, FileDigest>): Uint8Array {
  const files = Object.fromEntries(
    [...digests]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { bytes, crc32: crc }]) => [name, { bytes, crc32: crc32Hex(crc) }]),
  );
  return Buffer.from(`${pythonJson({ version: 1, algorithm: "crc32", files })}\n`);
}

/** File names, relative to the data set, to their digests. */
export function decodeChecksums(text: string, path: string): Map<string, FileDigest> {
  const fail = (message: string, cause?: unknown): never => {
    throw new FormatError("bad-checksums", message, { path, cause });
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    fail("expected JSON", cause);
  }
  const { version, algorithm, files } = asRecord(parsed) ?? fail("expected an object");
  if (version !== 1 || algorithm !== "crc32") {
    fail(`expected version 1 with crc32, found ${String(version)} with ${String(algorithm)}`);
  }
  const entries = Object.entries(asRecord(files) ?? fail('expected an object "files"'));
  return new Map(
    entries.map(([name, entry]) => {
      const { bytes, crc32: hex } = asRecord(entry) ?? fail(`${name}: expected an object`);
      if (typeof bytes !== "number" || typeof hex !== "string" || !/^[0-9a-f]{8}$/.test(hex)) {
        fail(`${name}: expected bytes and eight hex digits`);
      }
      return [name, { bytes: Number(bytes), crc32: Number.parseInt(String(hex), 16) }];
    }),
  );
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>) // a JSON object
    : undefined;
}

/** Digest of a file on disk, read in chunks. `onBytes` hears of each one. */
export function digestFile(
  path: string,
  options: { readonly onBytes?: (bytes: number) => void } = {},
): FileDigest {
  using file = FileSource.open(path);
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, file.byteLength));
  let crc = 0;
  for (let at = 0; at < file.byteLength; at += buffer.byteLength) {
    const chunk = buffer.subarray(0, Math.min(buffer.byteLength, file.byteLength - at));
    file.readInto(at, chunk);
    crc = crc32(chunk, crc);
    options.onBytes?.(chunk.byteLength);
  }
  return { bytes: file.byteLength, crc32: crc };
}
