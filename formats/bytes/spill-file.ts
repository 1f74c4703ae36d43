import { randomUUID } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fromFsError, StorageError } from "../common/errors.ts";

/** A temporary file that is already unlinked where the system allows it: a killed run leaves nothing. */
export class SpillFile implements Disposable {
  readonly path: string;
  readonly #fd: number;
  #isLinked = true;

  constructor(directory: string = os.tmpdir()) {
    this.path = path.join(directory, `scdl-spill-${randomUUID()}`);
    try {
      this.#fd = fs.openSync(this.path, "wx+", 0o600);
    } catch (error) {
      throw fromFsError(error, this.path);
    }
    this.#unlink();
  }

  #unlink(): void {
    try {
      fs.unlinkSync(this.path);
      this.#isLinked = false;
    } catch {
      // Windows keeps open files; dispose() tries again.
    }
  }

  write(offset: number, bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        done += fs.writeSync(this.#fd, bytes, done, bytes.byteLength - done, offset + done);
      }
    } catch (error) {
      throw fromFsError(error, this.path);
    }
  }

  readInto(offset: number, target: Uint8Array): void {
    for (let done = 0; done < target.byteLength; ) {
      const count = fs.readSync(this.#fd, target, done, target.byteLength - done, offset + done);
      if (count === 0) {
        throw new StorageError("io", "the temporary file is too short", { path: this.path });
      }
      done += count;
    }
  }

  [Symbol.dispose](): void {
    fs.closeSync(this.#fd);
    if (this.#isLinked) this.#unlink();
  }
}
