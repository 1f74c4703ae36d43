/** A shard of any place and compression as a reader of samples, from any sample on. */
import { fileURLToPath } from "node:url";
import { type ByteStream, ChunkStream, FileStream } from "../../formats/bytes/byte-stream.ts";
import {
  compressionOf,
  decompressed,
  fileChunks,
  MAGIC_BYTES,
  peek,
} from "../../formats/bytes/decompress.ts";
import { FormatError, isScdlError, UnsupportedFeatureError } from "../../formats/common/errors.ts";
import { TarReader } from "../../formats/tar/tar-reader.ts";
import { type HttpOptions, httpChunks } from "./http-chunks.ts";
import { type GroupOptions, SampleReader } from "./sample-reader.ts";
import { type CacheOptions, cachedShard, forgetShard } from "./shard-cache.ts";
import { IDENTITY_BYTES, identityOf, readHead, type ShardIdentity } from "./shard-identity.ts";
import { keyHash, readIndexFile, type ShardIndex } from "./shard-index.ts";

export interface ShardAccess {
  readonly http?: HttpOptions | undefined;
  readonly cache?: CacheOptions | undefined;
  readonly grouping?: GroupOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface OpenShard {
  readonly samples: SampleReader;
  /** Null for a compressed shard, which can only be read from its start. */
  readonly seekable: boolean;
  /** Null when it was opened behind its start. */
  readonly identity: ShardIdentity | null;
  close(): void;
}

interface OpenStream {
  readonly stream: ByteStream;
  readonly seekable: boolean;
  readonly identity: ShardIdentity | null;
}

interface Place {
  /** A path, or null for a URL that is read over the network each time. */
  readonly path: string | null;
  readonly url: string;
}

/** Opens at a sample's offset, 0 for the first. @param headersOnly for counting. */
export async function openShard(
  url: string,
  access: ShardAccess,
  offset = 0,
  headersOnly = false,
): Promise<OpenShard> {
  const place = await locate(url, access);
  const { stream, seekable, identity } = await openStream(place, access, offset);
  const tar = new TarReader(stream, { offset });
  return {
    samples: new SampleReader(tar, url, access.grouping, headersOnly),
    seekable,
    identity,
    close: () => stream.close(),
  };
}

/** What {@link openShard} says of a shard from its first bytes; nothing stays open. */
export async function identifyShard(
  url: string,
  access: ShardAccess,
): Promise<Pick<OpenShard, "seekable" | "identity">> {
  const { stream, seekable, identity } = await openStream(await locate(url, access), access, 0);
  stream.close();
  return { seekable, identity };
}

/**
 * The index of a shard: the file beside it, or made by reading its headers where that is missing,
 * damaged or of another shard.
 * @param handler is told about errors; when it does not throw, what was read until then counts.
 */
export async function indexShard(
  url: string,
  access: ShardAccess,
  handler: (error: unknown) => boolean,
): Promise<ShardIndex> {
  const offsets: number[] = [];
  const hashes: number[] = [];
  try {
    const place = await locate(url, access);
    const stored = storedIndex(place, access);
    if (stored !== null && (await isIndexOf(url, access, stored))) return stored;
    const shard = await openShard(url, access, 0, true);
    using _closing = new Closing(shard);
    const { samples } = shard;
    for (let sample = await samples.next(); sample !== null; sample = await samples.next()) {
      offsets.push(samples.offset);
      hashes.push(keyHash(sample.__key__));
    }
  } catch (error) {
    handler(error);
  }
  const [all, allHashes] = [Float64Array.from(offsets), Uint32Array.from(hashes)];
  return { shardBytes: null, offsets: all, keyHashes: allHashes };
}

/** Counts all files of a shard, so it does not serve a reader that leaves some out. */
function storedIndex({ path }: Place, { grouping }: ShardAccess): ShardIndex | null {
  if (path === null || grouping?.selectFiles || grouping?.renameFiles) return null;
  using stream = new Closing(FileStream.open(path));
  try {
    return readIndexFile(path, stream.it.byteLength);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

/** Looks at the last sample: an index may be of another shard of the same length. */
async function isIndexOf(url: string, access: ShardAccess, index: ShardIndex): Promise<boolean> {
  const last = index.offsets.length - 1;
  if (last < 0) return false;
  return isIndexed(url, access, index, last);
}

/** Whether sample number `sample` lies where the index says, by its key, and the last is the last. */
export async function isIndexed(
  url: string,
  access: ShardAccess,
  index: ShardIndex,
  sample: number,
): Promise<boolean> {
  const offset = index.offsets[sample];
  if (offset === undefined) return false;
  try {
    using probe = new Closing(await openShard(url, access, offset, true));
    const { samples } = probe.it;
    const found = await samples.next();
    if (found === null || keyHash(found.__key__) !== index.keyHashes[sample]) return false;
    return sample < index.offsets.length - 1 || (await samples.next()) === null;
  } catch (error) {
    if (isScdlError(error)) return false;
    throw error;
  }
}

class Closing<T extends { close(): void }> implements Disposable {
  readonly it: T;
  constructor(it: T) {
    this.it = it;
  }
  [Symbol.dispose](): void {
    this.it.close();
  }
}

async function locate(url: string, access: ShardAccess): Promise<Place> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) return { path: url, url };
  if (scheme === "file") return { path: fileURLToPath(url), url };
  if (scheme !== "http" && scheme !== "https") {
    throw new UnsupportedFeatureError(
      `${scheme}:`,
      `${url}: only paths, file:, http: and https: are read`,
      {
        suggestions:
          scheme === "pipe"
            ? ["commands are not run: download the shard first"]
            : ["give an http(s) URL of the object, or copy the shard to a disk"],
      },
    );
  }
  const { cache, http, signal } = access;
  if (cache === undefined) return { path: null, url };
  const path = await cachedShard(url, cache, () => httpChunks(url, 0, http, signal));
  await assertShardFile(path, url);
  return { path, url };
}

/** What a server calls a shard may be a page that says why there is none. */
async function assertShardFile(path: string, url: string): Promise<void> {
  using file = new Closing(FileStream.open(path));
  const head = new Uint8Array(512);
  if ((await file.it.read(head)) >= MAGIC_BYTES) {
    const isTar = Buffer.from(head).toString("latin1", 257, 262) === "ustar" || head[0] === 0;
    if (isTar || compressionOf(head, url) !== null || hasOctalChecksum(head)) return;
  }
  forgetShard(path);
  throw new FormatError("not-a-shard", "expected a tar archive from the server", {
    path: url,
    suggestions: ["open the URL in a browser: it may be an error page"],
  });
}

/** Archives older than ustar have no magic. */
function hasOctalChecksum(head: Uint8Array): boolean {
  return /^[ 0-7]{6}/.test(Buffer.from(head).toString("latin1", 148, 156));
}

async function openStream(place: Place, access: ShardAccess, offset: number): Promise<OpenStream> {
  const { path, url } = place;
  if (path !== null) {
    const file = FileStream.open(path, offset);
    if (offset > 0) return { stream: file, seekable: true, identity: null };
    using opened = new Closing(file);
    const head = await readHead(opened.it);
    const identity = identityOf(head, file.byteLength);
    const compression = compressionOf(head, path);
    if (compression === null) return { stream: FileStream.open(path), seekable: true, identity };
    return compressedStream(fileChunks(path), compression, path, identity);
  }
  const chunks = httpChunks(url, offset, access.http, access.signal);
  if (offset > 0) {
    return { stream: new ChunkStream(chunks, url), seekable: true, identity: null };
  }
  const [head, all] = await peek(chunks, IDENTITY_BYTES);
  const identity = identityOf(head, null);
  const compression = compressionOf(head, url);
  if (compression === null) return { stream: new ChunkStream(all, url), seekable: true, identity };
  return compressedStream(all, compression, url, identity);
}

function compressedStream(
  chunks: AsyncIterable<Uint8Array>,
  compression: "gzip" | "zstd",
  path: string,
  identity: ShardIdentity,
): OpenStream {
  const stream = new ChunkStream(decompressed(chunks, compression, path), path);
  return { stream, seekable: false, identity };
}
