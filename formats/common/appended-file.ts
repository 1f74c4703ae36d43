import { closeSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { crc32 } from "./crc32.ts";
import { FormatError, fromFsError } from "./errors.ts";
import type { FileDigest } from "./output-file.ts";

const CHUNK = 1 << 20;

/** A file that is written in steps and may be gone on with: what the last step left is checked. */
export class AppendedFile {
  readonly path: string;
  readonly #fd: number;
  #bytes: number;
  #crc: number;
  #isOpen = true;

  private constructor(path: string, fd: number, { bytes, crc32: crc }: FileDigest) {
    this.path = path;
    this.#fd = fd;
    this.#bytes = bytes;
    this.#crc = crc;
  }

  /**
   * Goes on behind the first `at.bytes` bytes; those after them are removed. Without `at` the file
   * begins anew.
   * @throws FormatError "checksum" when the bytes are not those of `at`; StorageError
   */
  static open(path: string, at: FileDigest = { bytes: 0, crc32: 0 }): AppendedFile {
    try {
      const fd = openSync(path, at.bytes === 0 ? "w+" : "r+");
      try {
        if (digest(fd, at.bytes) !== at.crc32) {
          throw new FormatError("checksum", `the first ${at.bytes} bytes are not those written`, {
            path,
            suggestions: ["remove the unfinished folder and begin anew"],
          });
        }
        ftruncateSync(fd, at.bytes);
        return new AppendedFile(path, fd, at);
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    } catch (error) {
      throw fromFsError(error, path);
    }
  }

  write(array: ArrayBufferView): void {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#bytes + done);
      }
    } catch (error) {
      throw fromFsError(error, this.path);
    }
    this.#bytes += bytes.length;
    this.#crc = crc32(bytes, this.#crc);
  }

  /** Flushes to the disk; a later {@link open} may go on here. */
  checkpoint(): FileDigest {
    try {
      fsyncSync(this.#fd);
    } catch (error) {
      throw fromFsError(error, this.path);
    }
    return { bytes: this.#bytes, crc32: this.#crc };
  }

  /** Does nothing the second time. */
  close(): void {
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }
}

/** Length and CRC-32 of a whole file. @throws NotFoundError, StorageError */
export function fileDigest(path: string): FileDigest {
  try {
    const fd = openSync(path, "r");
    try {
      let bytes = 0;
      const crc = digest(fd, Number.POSITIVE_INFINITY, (count) => {
        bytes += count;
      });
      return { bytes, crc32: crc };
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fromFsError(error, path);
  }
}

/** CRC-32 of the first `length` bytes, fewer when the file is shorter. */
function digest(fd: number, length: number, onRead: (count: number) => void = () => {}): number {
  const buffer = new Uint8Array(CHUNK);
  let crc = 0;
  for (let at = 0; at < length; ) {
    const count = readSync(fd, buffer, 0, Math.min(CHUNK, length - at), at);
    if (count === 0) break;
    crc = crc32(buffer.subarray(0, count), crc);
    at += count;
    onRead(count);
  }
  return crc;
}
