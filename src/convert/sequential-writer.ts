import fs from "node:fs";
import zlib from "node:zlib";
import { fromFsError } from "../../formats/common/errors.ts";

/** Appends bytes at a place of an existing file and keeps their checksum. */
export class SequentialWriter {
  readonly #path: string;
  readonly #descriptor: number;
  #position: number;
  #bytes = 0;
  #crc = 0;

  constructor(path: string, position: number) {
    this.#path = path;
    this.#position = position;
    try {
      this.#descriptor = fs.openSync(path, "r+");
    } catch (error) {
      throw fromFsError(error, path);
    }
  }

  write(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        const count = bytes.byteLength - done;
        done += fs.writeSync(this.#descriptor, bytes, done, count, this.#position + done);
      }
    } catch (error) {
      throw fromFsError(error, this.#path);
    }
    this.#position += bytes.byteLength;
    this.#bytes += bytes.byteLength;
    this.#crc = zlib.crc32(bytes, this.#crc);
  }

  get sum(): { readonly bytes: number; readonly crc32: number } {
    return { bytes: this.#bytes, crc32: this.#crc };
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }
}
