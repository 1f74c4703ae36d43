import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { FileSource } from "../../formats/bytes/file-source.ts";
import { crc32 } from "../../formats/common/crc32.ts";
import {
  FormatError,
  fromFsError,
  InvalidArgumentError,
  NotFoundError,
  UnsupportedFeatureError,
} from "../../formats/common/errors.ts";
import { MemberParser, PARSED } from "../../formats/tar/member.ts";
import { identifyShard, indexShard } from "./open-shard.ts";
import { fieldOf } from "./sample-reader.ts";
import { keyHash, type ShardIndex } from "./shard-index.ts";
import { expandUrls } from "./shard-urls.ts";

/** Largest sample; what claims more is no sample of a training set. */
const MAX_SAMPLE_BYTES = 2 ** 28;
/** Shards kept open. */
const MAX_OPEN = 64;

/** Bytes of a sample by field, and its key. */
export interface IndexedSample {
  readonly key: string;
  /** The shard. */
  readonly path: string;
  readonly fields: ReadonlyMap<string, Uint8Array>;
}

interface IndexedShard {
  readonly path: string;
  readonly index: ShardIndex;
  readonly byteLength: number;
  /** Number of its first sample. */
  readonly begin: number;
}

/**
 * Samples of shards on a disk as rows: any of them at once, where `WebDataset` reads one after another.
 * Takes the index beside each shard, or reads its headers once; keeps 12 bytes a sample and reads a
 * sample when it is asked for. Close it.
 */
export class IndexedShards implements Disposable {
  /** Samples of all shards. */
  readonly length: number;
  /** Which samples these are: names and lengths of the shards, keys of the samples. */
  readonly identity: string;
  readonly #shards: readonly IndexedShard[];
  /** Those used last come last. */
  readonly #open = new Map<IndexedShard, FileSource>();
  #window = new Uint8Array(2 ** 12);

  private constructor(shards: readonly IndexedShard[]) {
    this.#shards = shards;
    this.length = shards.reduce((sum, { index }) => sum + index.offsets.length, 0);
    const parts = shards.map(({ path, byteLength, index: { keyHashes } }) => {
      const keys = new Uint8Array(keyHashes.buffer, keyHashes.byteOffset, keyHashes.byteLength);
      return `${basename(path)} ${byteLength} ${crc32(keys) >>> 0}`;
    });
    this.identity = `${this.length} samples, ${crc32(Buffer.from(parts.join("\n"))) >>> 0}`;
  }

  /**
   * @param path a folder of `*.tar`, in the order of their names; a shard; or a pattern as
   *   "train-{000000..000499}.tar".
   * @throws NotFoundError, FormatError also "empty", StorageError; UnsupportedFeatureError for shards
   *   that are compressed or not on a disk: samples inside them cannot be found without reading all.
   */
  static async open(
    path: string,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<IndexedShards> {
    const shards: IndexedShard[] = [];
    let begin = 0;
    for (const shard of shardsOf(path)) {
      signal?.throwIfAborted();
      const { seekable } = await identifyShard(shard, { signal });
      if (!seekable) throw compressed(shard);
      const index = await indexShard(shard, { signal }, (error) => {
        throw error;
      });
      shards.push({ path: shard, index, byteLength: lengthOf(shard), begin });
      begin += index.offsets.length;
    }
    if (begin > 0) return new IndexedShards(shards);
    throw new FormatError("empty", "there is no sample in the shards", { path });
  }

  /**
   * The bytes are the caller's.
   * @throws InvalidArgumentError for a row that is not there; FormatError, StorageError for a shard
   *   that is damaged or not the one that was indexed.
   */
  sample(row: number): IndexedSample {
    const shard = this.#shardOf(row);
    const { path, index } = shard;
    const sample = row - shard.begin;
    const offset = index.offsets[sample] as number;
    const end = index.offsets[sample + 1] ?? shard.byteLength;
    const bytes = this.#read(shard, offset, Math.min(end, shard.byteLength) - offset);
    const fields = new Map<string, Uint8Array>();
    const member = new MemberParser(path);
    let key: string | null = null;
    for (let at = 0; at < bytes.length; at = member.end) {
      // The end of the archive, and what of a cut one is not whole.
      if (member.parse(bytes, at, bytes.length, offset) !== PARSED) break;
      const named = member.isFile ? fieldOf(member.name) : null;
      if (named === null) continue;
      key ??= named.key;
      if (named.key !== key || member.end > bytes.length) break;
      fields.set(named.field, bytes.slice(member.dataBegin, member.dataBegin + member.size));
    }
    if (key !== null && keyHash(key) === index.keyHashes[sample]) return { key, path, fields };
    throw new FormatError("changed", `expected sample ${sample}, found another or none`, {
      path,
      offset,
      suggestions: [`delete ${path}.index if the shard was written anew`, "copy the shard again"],
    });
  }

  close(): void {
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #shardOf(row: number): IndexedShard {
    if (!(Number.isSafeInteger(row) && row >= 0 && row < this.length)) {
      const message = `expected a sample of 0 to ${this.length - 1}, found ${row}`;
      throw new InvalidArgumentError("row", row, message);
    }
    let [low, high] = [0, this.#shards.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#shards[middle]?.begin ?? 0) <= row) low = middle;
      else high = middle - 1;
    }
    return this.#shards[low] as IndexedShard; // proof: there is a sample, so there is a shard
  }

  #read(shard: IndexedShard, offset: number, length: number): Uint8Array<ArrayBuffer> {
    if (length > MAX_SAMPLE_BYTES) {
      const message = `a sample of ${length} bytes, expected at most ${MAX_SAMPLE_BYTES}`;
      throw new FormatError("too-long", message, { path: shard.path, offset });
    }
    if (this.#window.length < length) this.#window = new Uint8Array(2 * length);
    const target = this.#window.subarray(0, length);
    this.#file(shard).readInto(offset, target);
    return target;
  }

  #file(shard: IndexedShard): FileSource {
    const known = this.#open.get(shard);
    if (known !== undefined) {
      this.#open.delete(shard);
      this.#open.set(shard, known);
      return known;
    }
    const [oldest] = this.#open;
    if (oldest !== undefined && this.#open.size >= MAX_OPEN) {
      oldest[1].close();
      this.#open.delete(oldest[0]);
    }
    const file = FileSource.open(shard.path);
    this.#open.set(shard, file);
    return file;
  }
}

const COMPRESSED_TAR = /\.(tar\.(gz|zst)|tgz)$/i;

/** Whether a path means shards: by its name, or because it is a folder that holds some. */
export function namesShards(path: string): boolean {
  if (/\.tar$/i.test(path) || COMPRESSED_TAR.test(path)) return true;
  try {
    return tarsIn(path).length > 0;
  } catch {
    return false;
  }
}

function shardsOf(path: string): string[] {
  if (/^https?:/i.test(path)) {
    throw new UnsupportedFeatureError("http", `${path}: shards to train on must be on a disk`, {
      suggestions: ["download them first"],
    });
  }
  if (/\.tar/i.test(path) && !isFolder(path)) return expandUrls(path);
  const shards = tarsIn(path);
  if (shards.length === 0) {
    throw new NotFoundError("no-shards", `${path} has no shards *.tar`, {
      what: "*.tar",
      suggestions: ["scdl shards write makes some"],
    });
  }
  return shards;
}

function tarsIn(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter(
      (name) => /\.tar$/i.test(name) || COMPRESSED_TAR.test(name),
    );
    return names.sort((a, b) => (a < b ? -1 : 1)).map((name) => join(folder, name));
  } catch (error) {
    throw fromFsError(error, folder);
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function lengthOf(path: string): number {
  using file = FileSource.open(path);
  return file.byteLength;
}

function compressed(path: string): UnsupportedFeatureError {
  const message = `${path}: the shard is compressed, and its samples are wanted in any order`;
  return new UnsupportedFeatureError("compressed shards", message, {
    suggestions: ["decompress it (gzip -d, zstd -d)", "scdl shards write without --compress"],
  });
}
