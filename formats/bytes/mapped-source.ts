import fs from "node:fs";
import { assertInside, type ByteSource, changedError, closedError } from "./byte-source.ts";
import { fileIdentity, openRegularFile, readFully } from "./file-source.ts";
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

interface FileMap {
  readonly system: SystemMemory;
  readonly address: number;
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly advice: PageAdvice;
}

/**
 * A file mapped read-only into memory, when its {@link bytes} are first asked for: until then it is
 * read by position, since a new map makes V8 collect garbage (10 ms and more).
 *
 * Reading past a file that shrank kills the process, so every use is preceded by {@link check};
 * between the check and the copy (microseconds) nothing can protect: files that others change
 * belong behind `access: "read"`. Closing detaches the buffer first, which turns every view of it
 * into one of length 0, and only then unmaps: no view can outlive the map.
 */
export class MappedSource implements ByteSource {
  readonly kind = "mapped";
  readonly path: string;
  readonly identity: string;
  readonly byteLength: number;
  readonly #stats: fs.Stats;
  #fd: number | null;
  /** Null when the system refused, undefined while nobody has asked. */
  #map: FileMap | null | undefined;
  #checks = 0;

  private constructor(path: string, fd: number, stats: fs.Stats) {
    this.path = path;
    this.byteLength = stats.size;
    this.identity = fileIdentity(stats);
    this.#stats = stats;
    this.#fd = fd;
  }

  /** @throws NotFoundError, StorageError */
  static open(path: string): MappedSource {
    const { fd, stats } = openRegularFile(path);
    return new MappedSource(path, fd, stats);
  }

  get bytes(): Uint8Array | null {
    if (this.#map === undefined && this.#fd !== null) this.#map = this.#create(this.#fd);
    return this.#map?.bytes ?? null;
  }

  get advice(): PageAdvice | null {
    return this.bytes === null || this.#fd === null ? null : (this.#map?.advice ?? null);
  }

  readInto(offset: number, target: Uint8Array): void {
    this.check();
    assertInside(this, offset, target.byteLength);
    if (this.#map) {
      target.set(this.#map.bytes.subarray(offset, offset + target.byteLength));
    } else {
      readFully(this, this.#open(), offset, target);
    }
  }

  check(): void {
    const fd = this.#open();
    if (this.#map && this.#checks++ % CALLS_PER_FULL_CHECK !== 0) {
      const length = this.#map.system.fileLength(fd);
      if (length !== this.byteLength) throw changedError(this.path, this.byteLength, length);
      return;
    }
    const { size, mtimeMs } = fs.fstatSync(fd);
    if (size !== this.byteLength || mtimeMs !== this.#stats.mtimeMs) {
      throw changedError(this.path, this.byteLength, size);
    }
  }

  close(): void {
    if (this.#fd === null) return;
    fs.closeSync(this.#fd);
    this.#fd = null;
    const map = this.#map;
    if (!map) return;
    map.buffer.transfer(0);
    // A buffer that someone pinned stays mapped: a leak is better than a crash.
    if (map.buffer.detached) map.system.unmap(map.address, this.byteLength);
  }

  #open(): number {
    if (this.#fd === null) throw closedError(this.path);
    return this.#fd;
  }

  #create(fd: number): FileMap | null {
    const system = this.byteLength === 0 ? null : systemMemory();
    const map = system?.map(fd, this.byteLength) ?? null;
    if (system === null || map === null) return null;
    const { address, buffer } = map;
    const advice = this.#createAdvice(system, address);
    return { system, address, buffer, bytes: new Uint8Array(buffer), advice };
  }

  #createAdvice(system: SystemMemory, address: number): PageAdvice {
    const { advise, isResident, pageBytes } = system;
    const tellsResidency = canAskResidency(this.path, this.#stats);
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
