/** Shards of http(s) kept on a local disk. */
import crypto from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { fromFsError } from "../../formats/common/errors.ts";
import { makeDirectories } from "../../formats/common/make-directories.ts";
import { writeSmallFile } from "../../formats/common/output-file.ts";
import { FileSink } from "../../formats/tar/output-sink.ts";

export interface CacheOptions {
  readonly directory: string;
  /** Shards used longest ago are deleted beyond this. Default: nothing is. */
  readonly maxBytes?: number | undefined;
}

const CACHED = /^[0-9a-f]{16}-/;

/**
 * The local copy of `url`, downloaded when there is none. The name holds a hash of the whole URL,
 * so shards of the same name from two places do not meet.
 */
export async function cachedShard(
  url: string,
  options: CacheOptions,
  download: () => AsyncIterable<Uint8Array>,
): Promise<string> {
  const hash = crypto.createHash("sha256").update(url).digest("hex").slice(0, 16);
  const base =
    new URL(url).pathname
      .split("/")
      .at(-1)
      ?.replace(/[^\w.-]/g, "_") || "shard";
  const path = join(options.directory, `${hash}-${base.slice(-100)}`);
  if (isWhole(path)) {
    markUsed(path);
    return path;
  }
  try {
    makeDirectories(options.directory);
  } catch (error) {
    throw fromFsError(error, options.directory);
  }
  // Another process may download the same shard: the last one to finish replaces equal bytes.
  const sink = new FileSink(path, { overwrite: true });
  rmSync(lengthPath(path), { force: true });
  try {
    for await (const chunk of download()) sink.write(chunk);
    await sink.finish();
    writeSmallFile(lengthPath(path), Buffer.from(String(sink.bytesWritten)));
  } catch (error) {
    sink.abandon();
    throw error;
  }
  if (options.maxBytes !== undefined) makeRoom(options.directory, options.maxBytes, path);
  return path;
}

/** Deletes a copy, e.g. one that turned out not to be a shard. */
export function forgetShard(path: string): void {
  rmSync(path, { force: true });
  rmSync(lengthPath(path), { force: true });
}

/** A copy that was cut, by a full disk or a crash, is downloaded again. */
function isWhole(path: string): boolean {
  const bytes = statSync(path, { throwIfNoEntry: false })?.size;
  if (bytes === undefined) return false;
  // Written after the copy: where there is none, nothing is known of it.
  return !existsSync(lengthPath(path)) || Number(readFileSync(lengthPath(path), "utf8")) === bytes;
}

function lengthPath(path: string): string {
  return `${path}.length`;
}

function markUsed(path: string): void {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // A cache that may only be read is used as it is.
  }
}

function makeRoom(directory: string, maxBytes: number, keep: string): void {
  const files = readdirSync(directory)
    .filter((name) => CACHED.test(name) && !name.endsWith(".length"))
    .map((name) => ({ path: join(directory, name), stats: statSync(join(directory, name)) }))
    .sort((a, b) => b.stats.mtimeMs - a.stats.mtimeMs);
  let total = 0;
  for (const { path, stats } of files) {
    total += stats.size;
    if (total > maxBytes && path !== keep) forgetShard(path);
  }
}
