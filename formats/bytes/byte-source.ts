import { FormatError, ScdlError, StorageError } from "../common/errors.ts";
import type { PageAdvice } from "./page-advice.ts";

/**
 * Bytes of one file, read at any offset.
 *
 * Three implementations pass one contract suite (test/conformance/byte-source.suite.ts): memory,
 * file (positioned reads) and mapped. Offsets are bytes and may exceed 4 GiB.
 */
export interface ByteSource {
  readonly path: string;
  /** Length when opened; it never changes, see {@link check}. */
  readonly byteLength: number;
  readonly kind: "memory" | "file" | "mapped";
  /**
   * Which file this is: device, inode, length and modification time when opened. Two sources with
   * one identity read the same file, also when its path names another by now.
   */
  readonly identity: string;
  /**
   * The whole file as memory, or null where only reads serve. The first call may map the file.
   * Owned by the source: length 0 once closed, so never hand it, or a view of it, to a user. Call
   * {@link check} before touching it.
   */
  readonly bytes: Uint8Array | null;
  /** Page-cache advice, or null where the system has none. Maps the file like {@link bytes}. */
  readonly advice: PageAdvice | null;
  /**
   * Fills `target` from `offset`, exactly.
   * @throws FormatError "truncated" when the range is not inside the file, StorageError
   *   "file-changed" when the file is no longer what was opened.
   */
  readInto(offset: number, target: Uint8Array): void;
  /**
   * Throws StorageError "file-changed" when the file was shortened, grown or rewritten since it was
   * opened. Costs 0.3 to 0.6 us: call it once per batch. (A file replaced by rename is not a change:
   * the source keeps reading the old one.)
   */
  check(): void;
  /** Idempotent. Later calls throw ScdlError "closed". */
  close(): void;
}

/** Checks a byte range against the length of the source. */
export function assertInside(source: ByteSource, offset: number, count: number): void {
  const isRange = Number.isSafeInteger(offset) && offset >= 0 && count >= 0;
  if (isRange && offset + count <= source.byteLength) return;
  throw new FormatError(
    "truncated",
    `expected ${count} bytes at byte ${offset}, the file has ${source.byteLength}`,
    { path: source.path },
  );
}

export function closedError(path: string): ScdlError {
  return new ScdlError("closed", `${path}: read after close`, {
    suggestions: ["keep the data set open while rows are read"],
  });
}

export function changedError(path: string, opened: number, found: number): StorageError {
  const what =
    opened === found
      ? "the file was rewritten or replaced while open"
      : `the file changed while open: expected ${opened} bytes, found ${found}`;
  return new StorageError("file-changed", what, {
    path,
    suggestions: [
      "open the data set again",
      "write a data set beside the old one and rename it instead of changing it in place",
    ],
  });
}
