import fs from "node:fs";
import { assertInside, type ByteSource, changedError, closedError } from "./byte-source.ts";
import { openRegularFile } from "./file-source.ts";
import type { PageAdvice } from "./page-advice.ts";
import {
  MADV_POPULATE_READ,
  MADV_RANDOM,
  MADV_WILLNEED,
  type SystemMemory,
  systemMemory,
} from "./system-memory.ts";

/** Every call compares the length; every 32nd also the modification time, which costs twice more. */
const CALLS_PER_FULL_CHECK = 32;

/**
 * A file mapped read-only into memory.
 *
 * Reading past a file that shrank kills the process, so every use is preceded by {@link check};
 * between the check and the copy (microseconds) nothing can protect: files that others change
 * belong behind `access: "read"`. Closing detaches the buffer first, which turns every view of it
 * into one of length 0, and only then unmaps: no view can outlive the map.
 */
export class MappedSource implements ByteSource {
  readonly kind = "mapped";
  readonly path: string;
  readonly byteLength: number;
  readonly bytes: Uint8Array;
  readonly advice: PageAdvice;
  readonly #system: SystemMemory;
  readonly #address: number;
  readonly #buffer: ArrayBuffer;
  readonly #mtimeMs: number;
  #fd: number | null;
  #checks = 0;

  private constructor(
    path: string,
    fd: number,
    stats: fs.Stats,
    system: SystemMemory,
    map: { address: number; buffer: ArrayBuffer },
  ) {
    this.path = path;
    this.byteLength = stats.size;
    this.#mtimeMs = stats.mtimeMs;
    this.#fd = fd;
    this.#system = system;
    this.#address = map.address;
    this.#buffer = map.buffer;
    this.bytes = new Uint8Array(map.buffer);
    this.advice = this.#createAdvice(stats);
  }

  /** Null where the system or the file (length 0) cannot be mapped: use reads then. */
  static open(path: string): MappedSource | null {
    const system = systemMemory();
    if (system === null) return null;
    const { fd, stats } = openRegularFile(path);
    const map = stats.size === 0 ? null : system.map(fd, stats.size);
    if (map === null) {
      fs.closeSync(fd);
      return null;
    }
    return new MappedSource(path, fd, stats, system, map);
  }

  readInto(offset: number, target: Uint8Array): void {
    this.check();
    assertInside(this, offset, target.byteLength);
    target.set(this.bytes.subarray(offset, offset + target.byteLength));
  }

  check(): void {
    const fd = this.#fd;
    if (fd === null) throw closedError(this.path);
    const length = this.#system.fileLength(fd);
    if (length !== this.byteLength) throw changedError(this.path, this.byteLength, length);
    if (this.#checks++ % CALLS_PER_FULL_CHECK !== 0) return;
    const stats = fs.fstatSync(fd);
    if (stats.mtimeMs !== this.#mtimeMs) throw changedError(this.path, this.byteLength, length);
  }

  close(): void {
    if (this.#fd === null) return;
    fs.closeSync(this.#fd);
    this.#fd = null;
    this.#buffer.transfer(0);
    // A buffer that someone pinned stays mapped: a leak is better than a crash.
    if (this.#buffer.detached) this.#system.unmap(this.#address, this.byteLength);
  }

  #createAdvice(stats: fs.Stats): PageAdvice {
    const { advise, isResident, pageBytes } = this.#system;
    const address = this.#address;
    const tellsResidency = canAskResidency(this.path, stats);
    const isOpen = () => this.#fd !== null;
    return {
      random: () => {
        if (isOpen()) advise(address, this.byteLength, MADV_RANDOM);
      },
      willNeed: (offset, count) => {
        if (!isOpen() || count <= 0 || offset + count > this.byteLength) return;
        const begin = offset - (offset % pageBytes);
        advise(address + begin, offset + count - begin, MADV_WILLNEED);
      },
      populate: () => {
        this.check();
        return advise(address, this.byteLength, MADV_POPULATE_READ) === 0;
      },
      isResident: (offset) =>
        tellsResidency && isOpen() && offset < this.byteLength
          ? isResident(address + offset)
          : null,
    };
  }
}

/** Since Linux 5.2 `mincore` calls every page resident unless the caller owns or may write the file. */
function canAskResidency(path: string, stats: fs.Stats): boolean {
  const user = process.getuid?.();
  if (user === 0 || user === stats.uid) return true;
  try {
    fs.accessSync(path, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
