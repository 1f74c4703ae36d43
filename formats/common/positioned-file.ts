/** A file of known length that is written in any order. */
import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { fromFsError } from "./errors.ts";

/** What is never written is zero, and takes no room where the file system knows holes. */
export class PositionedFile {
  readonly path: string;
  #fd: number | undefined;

  /** Creates a file of `bytes` zeros; an existing one is an error. @throws StorageError */
  constructor(path: string, bytes: number) {
    this.path = path;
    try {
      this.#fd = openSync(path, "wx");
      ftruncateSync(this.#fd, bytes);
    } catch (error) {
      this.close();
      throw fromFsError(error, path);
    }
  }

  /** @throws StorageError */
  write(at: number, bytes: Uint8Array): void {
    const fd = this.#open();
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        done += writeSync(fd, bytes, done, bytes.byteLength - done, at + done);
      }
    } catch (error) {
      throw fromFsError(error, this.path);
    }
  }

  /** Flushes to the disk and closes. @throws StorageError */
  finish(): void {
    try {
      fsyncSync(this.#open());
    } catch (error) {
      throw fromFsError(error, this.path);
    } finally {
      this.close();
    }
  }

  /** Closes without flushing; the caller removes the file. Does nothing after {@link finish}. */
  close(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number {
    if (this.#fd === undefined) throw new TypeError(`${this.path} is closed`);
    return this.#fd;
  }
}
