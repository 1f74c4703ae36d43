/** Where a tar archive goes: a file that appears when it is whole, compressed on the way if asked. */
import crypto from "node:crypto";
import { closeSync, existsSync, fsync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import zlib from "node:zlib";
import { fromFsError, ScdlError, StorageError } from "../common/errors.ts";

export type Compression = "gzip" | "zstd";

export interface ByteSink {
  /** Bytes that reached the file so far. */
  readonly bytesWritten: number;
  /** `bytes` may be reused once this has returned, or once its promise is settled. */
  write(bytes: Uint8Array): void | Promise<void>;
  /** Flushes to the disk, without blocking, and puts the file in its place. */
  finish(): Promise<void>;
  /** Removes what was written; does nothing after {@link finish}. */
  abandon(): void;
}

export interface FileSinkOptions {
  /** Replace an existing file. */
  readonly overwrite: boolean;
}

/** Writes beside `path` and renames at the end. */
export class FileSink implements ByteSink {
  readonly #path: string;
  readonly #temporary: string;
  readonly #overwrite: boolean;
  #fd: number | null;
  #bytesWritten = 0;

  /** @throws StorageError "already-exists" unless `overwrite`, and what the file system refuses. */
  constructor(path: string, options: FileSinkOptions) {
    this.#path = path;
    this.#overwrite = options.overwrite;
    this.#assertFree();
    const random = crypto.randomBytes(4).toString("hex");
    this.#temporary = join(dirname(path), `.${basename(path)}.tmp-${process.pid}-${random}`);
    try {
      this.#fd = openSync(this.#temporary, "wx");
    } catch (error) {
      throw fromFsError(error, path);
    }
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  write(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        done += writeSync(this.#open(), bytes, done, bytes.byteLength - done);
      }
    } catch (error) {
      throw fromFsError(error, this.#path);
    }
    this.#bytesWritten += bytes.byteLength;
  }

  async finish(): Promise<void> {
    try {
      await flush(this.#open());
      this.#close();
      this.#assertFree();
      renameSync(this.#temporary, this.#path);
    } catch (error) {
      this.abandon();
      throw fromFsError(error, this.#path);
    }
  }

  abandon(): void {
    this.#close();
    rmSync(this.#temporary, { force: true });
  }

  #open(): number {
    if (this.#fd === null) throw new ScdlError("closed", `${this.#path}: write after close`);
    return this.#fd;
  }

  #close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #assertFree(): void {
    if (this.#overwrite || !existsSync(this.#path)) return;
    throw new StorageError("already-exists", "already exists", {
      path: this.#path,
      suggestions: ["choose another name, or ask to overwrite"],
    });
  }
}

const flush = promisify(fsync);

/** One gzip member or zstd frame: what Python's tarfile and the command line tools read. */
export class CompressedSink implements ByteSink {
  readonly #file: FileSink;
  readonly #stream: zlib.Gzip | zlib.ZstdCompress;
  #failure: unknown;

  /** @param level of zlib (1 to 9) or zstd (1 to 22) */
  constructor(file: FileSink, compression: Compression, level: number) {
    this.#file = file;
    this.#stream =
      compression === "gzip"
        ? zlib.createGzip({ level, chunkSize: 2 ** 17 })
        : zlib.createZstdCompress({
            chunkSize: 2 ** 17,
            params: {
              [zlib.constants.ZSTD_c_compressionLevel]: level,
              [zlib.constants.ZSTD_c_checksumFlag]: 1,
            },
          });
    this.#stream.on("data", (chunk: Uint8Array) => this.#store(chunk));
    // Reported by the write that waits for it.
    this.#stream.on("error", (error) => {
      this.#failure ??= error;
    });
  }

  get bytesWritten(): number {
    return this.#file.bytesWritten;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => this.#stream.write(bytes, () => resolve()));
    this.#throwFailure();
  }

  async finish(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#stream.once("close", resolve);
      this.#stream.end();
    });
    this.#throwFailure();
    await this.#file.finish();
  }

  abandon(): void {
    this.#stream.destroy();
    this.#file.abandon();
  }

  #store(chunk: Uint8Array): void {
    if (this.#failure !== undefined) return;
    try {
      this.#file.write(chunk);
    } catch (error) {
      this.#failure = error;
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
