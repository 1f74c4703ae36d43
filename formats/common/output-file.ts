/** A file written once from start to end, with its checksum computed on the way. */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { crc32 } from "./crc32.ts";
import { fromFsError } from "./errors.ts";

export interface FileDigest {
  readonly bytes: number;
  readonly crc32: number;
}

export class OutputFile {
  readonly path: string;
  #fd: number | undefined;
  #bytes = 0;
  #crc = 0;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /** Creates the file; an existing one is an error. Errors name `named`, default the path. */
  static create(path: string, named = path): OutputFile {
    try {
      return new OutputFile(named, openSync(path, "wx"));
    } catch (error) {
      throw fromFsError(error, named);
    }
  }

  /** Bytes written so far: the offset of the next write. */
  get position(): number {
    return this.#bytes;
  }

  write(bytes: Uint8Array): void {
    const fd = this.#open();
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        done += writeSync(fd, bytes, done, bytes.byteLength - done);
      }
    } catch (error) {
      throw fromFsError(error, this.path);
    }
    this.#bytes += bytes.byteLength;
    this.#crc = crc32(bytes, this.#crc);
  }

  /** Flushes to the disk and closes. */
  finish(): FileDigest {
    try {
      fsyncSync(this.#open());
    } catch (error) {
      throw fromFsError(error, this.path);
    } finally {
      this.close();
    }
    return { bytes: this.#bytes, crc32: this.#crc };
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

/** Writes a whole small file and flushes it. */
export function writeSmallFile(path: string, bytes: Uint8Array): FileDigest {
  const file = OutputFile.create(path);
  try {
    file.write(bytes);
    return file.finish();
  } finally {
    file.close();
  }
}
