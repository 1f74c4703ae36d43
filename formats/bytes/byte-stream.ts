/** Bytes that come one after another: a file, a decompressor, a download. */
import fs from "node:fs";
import { FormatError, fromFsError } from "../common/errors.ts";
import { openRegularFile } from "./file-source.ts";
import { isLocalFileSystem } from "./file-system-kind.ts";

export interface ByteStream {
  /** Named in errors. */
  readonly path: string;
  /**
   * Reads some bytes into `target`, at least one; 0 at the end. A number where the bytes are at
   * hand, a promise where they must be waited for.
   */
  read(target: Uint8Array): number | Promise<number>;
  /** Idempotent; a read that is under way may fail. */
  close(): void;
}

/** A local file is read synchronously (the kernel reads ahead), one on a network is awaited. */
export class FileStream implements ByteStream {
  readonly path: string;
  readonly byteLength: number;
  readonly #local: boolean;
  readonly #end: number;
  #fd: number | null;
  #position: number;

  private constructor(path: string, fd: number, byteLength: number, begin: number) {
    this.path = path;
    this.byteLength = byteLength;
    this.#fd = fd;
    this.#local = isLocalFileSystem(path);
    this.#position = begin;
    this.#end = byteLength;
  }

  /** @param begin offset of the first byte to read. @throws NotFoundError, StorageError */
  static open(path: string, begin = 0): FileStream {
    const { fd, stats } = openRegularFile(path);
    return new FileStream(path, fd, stats.size, begin);
  }

  read(target: Uint8Array): number | Promise<number> {
    const fd = this.#fd;
    if (fd === null) return 0;
    const length = Math.min(target.byteLength, this.#end - this.#position, 2 ** 30);
    if (length <= 0) return 0;
    if (!this.#local) return this.#readLater(fd, target, length);
    try {
      return this.#advance(fs.readSync(fd, target, 0, length, this.#position));
    } catch (error) {
      throw fromFsError(error, this.path);
    }
  }

  close(): void {
    if (this.#fd !== null) fs.closeSync(this.#fd);
    this.#fd = null;
  }

  #readLater(fd: number, target: Uint8Array, length: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(fd, target, 0, length, this.#position, (error, got) => {
        if (error !== null) reject(fromFsError(error, this.path));
        else resolve(this.#advance(got));
      });
    });
  }

  #advance(got: number): number {
    if (got === 0) {
      throw new FormatError(
        "truncated",
        `expected ${this.byteLength} bytes, the file was shortened to ${this.#position} while it was read`,
        { path: this.path, offset: this.#position },
      );
    }
    this.#position += got;
    return got;
  }
}

/** Chunks as a stream; closing ends the iteration. */
export class ChunkStream implements ByteStream {
  readonly path: string;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  #done = false;

  constructor(chunks: AsyncIterable<Uint8Array>, path: string) {
    this.path = path;
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  read(target: Uint8Array): number | Promise<number> {
    if (this.#rest.byteLength > 0) return this.#take(target);
    return this.#done ? 0 : this.#readNext(target);
  }

  close(): void {
    if (this.#done) return;
    this.#done = true;
    this.#rest = new Uint8Array(0);
    // An iterator that fails while it is ended has nothing left to say.
    this.#chunks.return?.().catch(() => {});
  }

  async #readNext(target: Uint8Array): Promise<number> {
    while (this.#rest.byteLength === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) {
        this.#done = true;
        return 0;
      }
      if (this.#done) return 0;
      this.#rest = next.value;
    }
    return this.#take(target);
  }

  #take(target: Uint8Array): number {
    const count = Math.min(this.#rest.byteLength, target.byteLength);
    target.set(this.#rest.subarray(0, count));
    this.#rest = this.#rest.subarray(count);
    return count;
  }
}
