import fs from "node:fs";
import { fromFsError, StorageError } from "../common/errors.ts";
import { assertInside, type ByteSource, changedError, closedError } from "./byte-source.ts";

/** Without O_NONBLOCK a named pipe would wait for its writer forever; regular files ignore it. */
const OPEN_FLAGS = fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0);
/** `fs.readSync` takes at most 2^31 - 1 bytes a call. */
const MAX_READ_BYTES = 2 ** 30;

/** Positioned reads: correct on every file system, about a third of the speed of a warm map. */
export class FileSource implements ByteSource, Disposable {
  readonly kind = "file";
  readonly path: string;
  readonly identity: string;
  readonly byteLength: number;
  readonly bytes = null;
  readonly advice = null;
  readonly #mtimeMs: number;
  #fd: number | null;

  private constructor(path: string, fd: number, stats: fs.Stats) {
    this.path = path;
    this.#fd = fd;
    this.byteLength = stats.size;
    this.identity = fileIdentity(stats);
    this.#mtimeMs = stats.mtimeMs;
  }

  /** @throws NotFoundError, StorageError */
  static open(path: string): FileSource {
    const { fd, stats } = openRegularFile(path);
    return new FileSource(path, fd, stats);
  }

  readInto(offset: number, target: Uint8Array): void {
    const fd = this.#open();
    assertInside(this, offset, target.byteLength);
    readFully(this, fd, offset, target);
  }

  /** A range in new memory, taken only when the range is inside the file. */
  read(offset: number, byteLength: number): Uint8Array<ArrayBuffer> {
    assertInside(this, offset, byteLength);
    const bytes = new Uint8Array(byteLength);
    this.readInto(offset, bytes);
    return bytes;
  }

  check(): void {
    const stats = fs.fstatSync(this.#open());
    if (stats.size !== this.byteLength || stats.mtimeMs !== this.#mtimeMs) {
      throw changedError(this.path, this.byteLength, stats.size);
    }
  }

  close(): void {
    if (this.#fd !== null) fs.closeSync(this.#fd);
    this.#fd = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): number {
    if (this.#fd === null) throw closedError(this.path);
    return this.#fd;
  }
}

/** See {@link ByteSource.identity}. */
export function fileIdentity({ dev, ino, size, mtimeMs }: fs.Stats): string {
  return `${dev}:${ino}:${size}:${mtimeMs}`;
}

/**
 * Whether the path of an open source still names the file that was opened. A source reads on when
 * it does not; what belongs to that file and is opened later would belong to another.
 * @throws StorageError "file-changed", NotFoundError
 */
export function assertInPlace(source: Pick<ByteSource, "path" | "identity" | "byteLength">): void {
  let stats: fs.Stats;
  try {
    stats = fs.statSync(source.path);
  } catch (error) {
    throw fromFsError(error, source.path);
  }
  if (fileIdentity(stats) !== source.identity) {
    throw changedError(source.path, source.byteLength, stats.size);
  }
}

/** Fills `target` from an open file; a short read means that the file shrank. */
export function readFully(
  source: Pick<ByteSource, "path" | "byteLength">,
  fd: number,
  offset: number,
  target: Uint8Array,
): void {
  let done = 0;
  while (done < target.byteLength) {
    const want = Math.min(MAX_READ_BYTES, target.byteLength - done);
    let got: number;
    try {
      got = fs.readSync(fd, target, done, want, offset + done);
    } catch (error) {
      throw fromFsError(error, source.path);
    }
    if (got === 0) throw changedError(source.path, source.byteLength, fs.fstatSync(fd).size);
    done += got;
  }
}

/** Opens for reading only, so that read-only media and files serve. The caller closes `fd`. */
export function openRegularFile(path: string): { fd: number; stats: fs.Stats } {
  let fd: number;
  try {
    fd = fs.openSync(path, OPEN_FLAGS);
  } catch (error) {
    throw fromFsError(error, path);
  }
  const stats = fs.fstatSync(fd);
  if (stats.isFile()) return { fd, stats };
  fs.closeSync(fd);
  throw new StorageError("io", `expected a file, found ${kindOf(stats)}`, {
    path,
    suggestions: [
      stats.isDirectory() ? "name a file in it" : "copy it into a file first: it is read at random",
    ],
  });
}

function kindOf(stats: fs.Stats): string {
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return "a named pipe";
  if (stats.isSocket()) return "a socket";
  return "a device";
}
