import { rmSync } from "node:fs";
import { InvalidArgumentError, ScdlError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aFunction,
  aNumber,
  aText,
  checkOptions,
  either,
  nothing,
  type OptionKinds,
  oneOf,
} from "../../formats/common/options.ts";
import { writeSmallFile } from "../../formats/common/output-file.ts";
import type { MemberAttributes } from "../../formats/tar/encode-header.ts";
import {
  type ByteSink,
  CompressedSink,
  type Compression,
  FileSink,
} from "../../formats/tar/output-sink.ts";
import { TarBuilder } from "../../formats/tar/tar-builder.ts";
import { encodeField, type Parts } from "./encode-field.ts";
import { encodeIndex, indexPath, keyHash } from "./shard-index.ts";
import { WriteQueue } from "./write-queue.ts";

/** What to write: `__key__` and fields; other names that begin with "_" are left out. */
export interface WritableSample {
  readonly __key__: string;
  readonly [field: string]: unknown;
}

export interface TarWriterOptions {
  /**
   * Default by the file's name: gzip for .gz and .tgz, zstd for .zst, else none. null for none.
   * Python's webdataset reads gzip, and zstd through a command.
   */
  readonly compress?: Compression | null;
  /** Of the compression: zlib 1 to 9, default 6; zstd 1 to 22, default 3. */
  readonly level?: number;
  /** Modification time of the files in seconds since 1970. Default 0: the same bytes every time. */
  readonly mtime?: number;
  /** Permission bits of the files. Default 0o444. */
  readonly mode?: number;
  /** Owner names. Default "bigdata", as webdataset. */
  readonly user?: string;
  readonly group?: string;
  /** Fields to bytes. Default: by extension, see docs/webdataset.md. */
  readonly encoder?: (field: string, value: unknown) => Uint8Array;
  /** Write `<file>.index`, from which reading goes on at any sample. Default false. */
  readonly index?: boolean;
  /** Replace an existing file. Default false. */
  readonly overwrite?: boolean;
}

export const TAR_WRITER_KINDS: OptionKinds<TarWriterOptions> = {
  compress: either(oneOf("gzip", "zstd"), nothing),
  level: aNumber,
  mtime: aNumber,
  mode: aNumber,
  user: aText,
  group: aText,
  encoder: aFunction,
  index: aBoolean,
  overwrite: aBoolean,
};

/**
 * Writes samples to one tar file, which appears under its name when it is closed. The same samples
 * and options give the same bytes; without compression they are those of Python's TarWriter with
 * the same mtime.
 *
 * ```ts
 * await using writer = TarWriter.create("train.tar");
 * await writer.write({ __key__: "cell-1", npy: new Float32Array(3), json: { type: "T" } });
 * await writer.close();
 * ```
 * Calls that are not awaited are done one after another, and `close()` throws the error of one that
 * had not ended; await each to hold one sample in memory. Leaving without `close()` (an error) removes
 * what was written.
 */
export class TarWriter implements AsyncDisposable {
  readonly path: string;
  readonly #options: TarWriterOptions;
  readonly #encode: (field: string, value: unknown) => Parts;
  readonly #sink: ByteSink;
  readonly #builder: TarBuilder;
  readonly #offsets: number[] = [];
  readonly #hashes: number[] = [];
  readonly #compression: Compression | null;
  #lastKey: string | null = null;
  #samples = 0;
  #state: "open" | "closed" | "abandoned" = "open";
  readonly #queue = new WriteQueue();

  private constructor(path: string, options: TarWriterOptions) {
    if (typeof path !== "string" || path === "") {
      throw new InvalidArgumentError("path", path, "TarWriter: expected the path of a file");
    }
    this.path = path;
    this.#options = options;
    const { encoder } = options;
    this.#encode = encoder === undefined ? encodeField : (field, value) => [encoder(field, value)];
    this.#compression = options.compress === undefined ? compressionFor(path) : options.compress;
    const attributes: MemberAttributes = {
      mode: options.mode ?? 0o444,
      mtime: options.mtime ?? 0,
      uname: options.user ?? "bigdata",
      gname: options.group ?? "bigdata",
    };
    const file = new FileSink(path, { overwrite: options.overwrite ?? false });
    try {
      this.#sink = compressed(file, this.#compression, options.level);
      this.#builder = new TarBuilder(this.#sink, attributes);
    } catch (error) {
      file.abandon();
      throw error;
    }
  }

  /** @throws StorageError "already-exists", InvalidArgumentError for options a tar cannot hold. */
  static create(path: string, options: TarWriterOptions = {}): TarWriter {
    checkOptions("TarWriter", options, TAR_WRITER_KINDS);
    return new TarWriter(path, options);
  }

  /** Samples written. */
  get samples(): number {
    return this.#samples;
  }

  /** Bytes of the archive before compression, its end not counted. */
  get byteLength(): number {
    return this.#builder.offset;
  }

  /**
   * Writes the fields in the order of their names. Returns the bytes of their data.
   * @throws InvalidArgumentError for a key or field that would read back as another, a key that
   *   equals the one before, a sample without fields, and values that no encoder takes.
   */
  write(sample: WritableSample): Promise<number> {
    if (this.#state !== "open") {
      return Promise.reject(new ScdlError("closed", `${this.path}: write after close`));
    }
    return this.#queue.run(() => this.#write(sample));
  }

  async #write(sample: WritableSample): Promise<number> {
    if (this.#state === "abandoned") {
      throw new ScdlError("closed", `${this.path}: the writer was left`);
    }
    const key = sample.__key__;
    const fields = Object.keys(sample).filter((field) => !field.startsWith("_"));
    checkSample(key, fields, this.#lastKey);
    if (fields.length > 1) fields.sort(byCodePoint);
    // All are encoded before the first is written: a sample is whole or absent.
    const contents = fields.map((field) => this.#encode(field, sample[field]));
    if (this.#options.index === true) {
      this.#offsets.push(this.#builder.offset);
      this.#hashes.push(keyHash(key));
    }
    let size = 0;
    for (let i = 0; i < fields.length; i++) {
      const parts = contents[i] as Parts;
      for (const part of parts) size += part.byteLength;
      const pending = this.#builder.add(`${key}.${fields[i]}`, ...parts);
      if (pending !== undefined) await pending;
    }
    this.#lastKey = key;
    this.#samples++;
    return size;
  }

  /** Finishes the file and puts it in its place. Does nothing the second time. */
  async close(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "closed";
    try {
      await this.#queue.drain();
      await this.#builder.finish();
    } catch (error) {
      this.#sink.abandon();
      throw error;
    }
    if (this.#options.index === true && this.#compression === null) this.#writeIndex();
  }

  /** Removes what was written. Does nothing after {@link close}. */
  abandon(): void {
    if (this.#state !== "open") return;
    this.#state = "abandoned";
    void this.#queue.settle();
    this.#sink.abandon();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abandon();
  }

  #writeIndex(): void {
    const path = indexPath(this.path);
    rmSync(path, { force: true });
    const bytes = encodeIndex({
      shardBytes: this.#sink.bytesWritten,
      offsets: Float64Array.from(this.#offsets),
      keyHashes: Uint32Array.from(this.#hashes),
    });
    writeSmallFile(path, bytes);
  }
}

function compressionFor(path: string): Compression | null {
  if (/\.(gz|tgz)$/.test(path)) return "gzip";
  return /\.zst$/.test(path) ? "zstd" : null;
}

function compressed(file: FileSink, compression: Compression | null, level?: number): ByteSink {
  if (compression === null) return file;
  const most = compression === "gzip" ? 9 : 22;
  const chosen = level ?? (compression === "gzip" ? 6 : 3);
  if (!(Number.isInteger(chosen) && chosen >= 1 && chosen <= most)) {
    throw new InvalidArgumentError(
      "level",
      level,
      `level: expected 1 to ${most} for ${compression}, found ${level}`,
    );
  }
  return new CompressedSink(file, compression, chosen);
}

/** As Python sorts text. */
function byCodePoint(a: string, b: string): number {
  if (a === b) return 0;
  const isPlain = !/[\ud800-\udfff]/.test(a + b);
  if (isPlain) return a < b ? -1 : 1;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** What is written must be read back as the same sample. */
function checkSample(key: unknown, fields: readonly string[], lastKey: string | null): void {
  const problem = keyProblem(key) ?? (key === lastKey ? "equals the key before it" : null);
  if (problem !== null) {
    throw new InvalidArgumentError(
      "__key__",
      key,
      `__key__ ${JSON.stringify(key)} ${problem}: it would not be read back as this sample`,
      { suggestions: ['replace "." in keys, e.g. by "-"', "give each sample a key of its own"] },
    );
  }
  if (fields.length === 0) {
    throw new InvalidArgumentError("sample", key, `sample "${key}" has no fields`);
  }
  for (const field of fields) {
    if (!/[/\0\n]/.test(field) && field === field.toLowerCase() && field !== "") continue;
    throw new InvalidArgumentError(
      "field",
      field,
      `field ${JSON.stringify(field)} of sample "${key}": expected lower case without "/"`,
    );
  }
}

function keyProblem(key: unknown): string | null {
  if (typeof key !== "string" || key === "") return "is no text";
  if (/[\0\n]/.test(key)) return "holds a control character";
  const base = key.slice(key.lastIndexOf("/") + 1);
  if (base === "") return 'ends with "/"';
  if (base.includes(".")) return 'has a "." in its last part';
  return /^__[^/]*__(\.|\/|$)/.test(`${key}.`) ? "is a name for metadata" : null;
}
