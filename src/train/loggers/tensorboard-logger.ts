import { closeSync, openSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fromFsError, ScdlError } from "../../../formats/common/errors.ts";
import { makeDirectories } from "../../../formats/common/make-directories.ts";
import {
  recordOf,
  restartEvent,
  scalarsEvent,
  versionEvent,
} from "../../../formats/tfevents/events.ts";
import type { LogFileOptions, Logger, Scalars } from "./logger.ts";

export interface TensorBoardOptions extends LogFileOptions {
  /** Milliseconds since 1970. Default the system's clock. */
  readonly now?: () => number;
}

/**
 * A new event file in `directory`, where `tensorboard --logdir` finds it. A resumed run adds a file
 * that tells TensorBoard from which step on to forget the earlier ones.
 */
export class TensorBoardLogger implements Logger {
  readonly path: string;
  readonly #now: () => number;
  #fd: number | null;

  /** @throws StorageError */
  constructor(directory: string, options: TensorBoardOptions = {}) {
    this.#now = options.now ?? Date.now;
    const seconds = Math.floor(this.#now() / 1000);
    const name = `events.out.tfevents.${String(seconds).padStart(10, "0")}.${hostname()}.${process.pid}`;
    const opened = openNew(directory, name);
    this.path = opened.path;
    this.#fd = opened.fd;
    this.#write(versionEvent(this.#now() / 1000));
    const fromStep = options.fromStep ?? 0;
    if (fromStep > 0) this.#write(restartEvent(this.#now() / 1000, fromStep));
  }

  log(step: number, scalars: Scalars): void {
    this.#write(scalarsEvent(this.#now() / 1000, step, Object.entries(scalars)));
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #write(event: Uint8Array): void {
    if (this.#fd === null) throw new ScdlError("closed", `${this.path}: log after close`);
    try {
      writeSync(this.#fd, recordOf(event));
    } catch (error) {
      throw fromFsError(error, this.path);
    }
  }
}

/** Two runs of one process may begin in one second. */
function openNew(directory: string, name: string): { path: string; fd: number } {
  try {
    makeDirectories(directory);
    for (let number = 0; ; number++) {
      const path = join(directory, `${name}.${number}`);
      try {
        return { path, fd: openSync(path, "wx") };
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      }
    }
  } catch (error) {
    throw fromFsError(error, directory);
  }
}
