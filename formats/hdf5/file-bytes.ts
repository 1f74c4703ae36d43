import fs from "node:fs";
import { FormatError, fromFsError, InvalidArgumentError } from "../common/errors.ts";

/**
 * Positioned reads of a file whose size was taken at opening.
 *
 * Every read is exact: bytes outside the file are a `truncated` FormatError, never zeros.
 */
export class FileBytes implements Disposable {
  readonly path: string;
  readonly byteLength: number;
  #fd: number | null;

  private constructor(path: string, fd: number, byteLength: number) {
    this.path = path;
    this.#fd = fd;
    this.byteLength = byteLength;
  }

  /** @throws NotFoundError, StorageError, InvalidArgumentError for a directory. */
  static open(path: string): FileBytes {
    let fd: number;
    try {
      fd = fs.openSync(path, "r");
    } catch (error) {
      throw fromFsError(error, path);
    }
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) {
      fs.closeSync(fd);
      throw new InvalidArgumentError("path", path, `${path}: expected a file`);
    }
    return new FileBytes(path, fd, stat.size);
  }

  /** Fills `target` from `offset`. */
  readInto(offset: number, target: Uint8Array): void {
    if (this.#fd === null) throw new InvalidArgumentError("file", this.path, "the file is closed");
    if (!(offset >= 0) || offset + target.byteLength > this.byteLength) {
      throw new FormatError(
        "truncated",
        `${target.byteLength} bytes expected, the file has ${this.byteLength} bytes`,
        { path: this.path, offset },
      );
    }
    let done = 0;
    while (done < target.byteLength) {
      let count: number;
      try {
        count = fs.readSync(this.#fd, target, done, target.byteLength - done, offset + done);
      } catch (error) {
        throw fromFsError(error, this.path);
      }
      if (count === 0) {
        throw new FormatError("truncated", "the file became shorter while it was read", {
          path: this.path,
          offset: offset + done,
        });
      }
      done += count;
    }
  }

  read(offset: number, byteLength: number): Uint8Array<ArrayBuffer> {
    if (!(byteLength >= 0) || byteLength > this.byteLength) {
      throw new FormatError(
        "truncated",
        `${byteLength} bytes expected, the file has ${this.byteLength} bytes`,
        { path: this.path, offset },
      );
    }
    const target = new Uint8Array(byteLength);
    this.readInto(offset, target);
    return target;
  }

  close(): void {
    if (this.#fd !== null) fs.closeSync(this.#fd);
    this.#fd = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
