/** One member of a tar archive from the bytes of its headers: name, size, time, where its data is. */
import { FormatError, UnsupportedFeatureError } from "../common/errors.ts";
import {
  BLOCK_BYTES,
  decodeUtf8,
  FIELD,
  NOT_WHOLE,
  paddedBytes,
  readNumber,
  readText,
  sumOfBlock,
  verifyChecksum,
} from "./header.ts";
import { type PaxRecords, parsePax } from "./pax.ts";

/** Extended headers longer than this are hostile: they hold a name and some numbers. */
const MAX_EXTENSION_BYTES = 2 ** 20;
/** Two blocks of zeros end an archive. */
export const END_BYTES = 2 * BLOCK_BYTES;

/** What {@link MemberParser.parse} answers besides a number of bytes that it needs. */
export const PARSED = 0;
export const END_OF_ARCHIVE = -1;

/**
 * Reads the headers of one member from a window of the archive into its fields, which the next call
 * overwrites. Keeps only PAX global headers between calls, so a call may be repeated with more bytes.
 */
export class MemberParser {
  readonly #path: string;
  #globals: PaxRecords = {};
  name = "";
  size = 0;
  /** Seconds since 1970. */
  mtime = 0;
  /** Whether this is a regular file; directories, links and devices have no data. */
  isFile = false;
  /** Position of the data in the window. */
  dataBegin = 0;
  /** Position after the data and its padding. */
  end = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * @param begin position of the member's first header in the window; `limit` where the window ends
   * @param base offset in the archive of the window's first byte
   * @returns {@link PARSED}, {@link END_OF_ARCHIVE}, or how many bytes from `begin` are needed.
   */
  parse(window: Uint8Array, begin: number, limit: number, base: number): number {
    let at = begin;
    let longName: string | null = null;
    let pax: PaxRecords | null = null;
    for (;;) {
      if (at + BLOCK_BYTES > limit) return at + BLOCK_BYTES - begin;
      const offset = base + at;
      const sum = sumOfBlock(window, at);
      if (sum === 0) {
        if (longName !== null || pax !== null)
          throw this.#bad("nothing after its extension", offset);
        if (at + END_BYTES > limit) return at + END_BYTES - begin;
        if (sumOfBlock(window, at + BLOCK_BYTES) !== 0) {
          throw this.#bad("a single block of zeros, which ends nothing", offset);
        }
        this.end = at + END_BYTES;
        return END_OF_ARCHIVE;
      }
      verifyChecksum(window, at, sum, this.#path, offset);
      const size = readNumber(window, at, "size", this.#path, offset);
      if (size < 0) throw this.#bad(`size ${size}`, offset);
      const type = String.fromCharCode(window[at + FIELD.type[0]] as number);
      const data = at + BLOCK_BYTES;
      if (type !== "x" && type !== "X" && type !== "g" && type !== "L" && type !== "K") {
        this.#finish(window, at, base, size, type, longName, pax);
        return PARSED;
      }
      if (size > MAX_EXTENSION_BYTES) {
        throw this.#bad(`an extension of ${size} bytes (at most ${MAX_EXTENSION_BYTES})`, offset);
      }
      const end = data + paddedBytes(size);
      if (end - begin > 4 * MAX_EXTENSION_BYTES) throw this.#bad("too many extensions", offset);
      if (end > limit) return end - begin;
      const bytes = window.subarray(data, data + size);
      if (type === "L") {
        longName = decodeUtf8(untilNul(bytes), this.#path, base + data);
      } else if (type === "g") {
        this.#globals = { ...this.#globals, ...parsePax(bytes, this.#path, base + data) };
      } else if (type !== "K") {
        pax = parsePax(bytes, this.#path, base + data);
      }
      at = end;
    }
  }

  #finish(
    window: Uint8Array,
    at: number,
    base: number,
    size: number,
    type: string,
    longName: string | null,
    own: PaxRecords | null,
  ): void {
    const offset = base + at;
    const pax = own === null ? this.#globals : { ...this.#globals, ...own };
    if (type === "S" || type === "M" || pax.sparse === true) {
      const feature = type === "M" ? "multi-volume tar" : "sparse tar member";
      throw new UnsupportedFeatureError(
        feature,
        `${this.#path}: a ${feature} is not read (byte ${offset})`,
        { suggestions: ["write the archive again with tar --format=pax and without --sparse"] },
      );
    }
    this.name = pax.path ?? longName ?? this.#headerName(window, at, base);
    this.mtime = pax.mtime ?? readNumber(window, at, "mtime", this.#path, offset);
    const isDirectory = type === "5" || (type === "\0" && this.name.endsWith("/"));
    if (isDirectory) this.name = this.name.replace(/\/+$/, "");
    this.isFile = (type === "0" || type === "\0" || type === "7") && !isDirectory;
    // As tar does, a size that links, devices and directories state is not believed.
    this.size = isDirectory || (type >= "1" && type <= "6") ? 0 : (pax.size ?? size);
    this.dataBegin = at + BLOCK_BYTES;
    this.end = this.dataBegin + paddedBytes(this.size);
    if (!Number.isSafeInteger(base + this.end)) throw this.#bad(`size ${this.size}`, offset);
  }

  #headerName(window: Uint8Array, at: number, base: number): string {
    const name = readText(window, at + FIELD.name[0], FIELD.name[1], this.#path, base + at);
    // "ustar" and NUL is POSIX; GNU's "ustar  " keeps times where POSIX keeps the prefix.
    const magic = at + FIELD.magic[0];
    if (window[at + FIELD.prefix[0]] === 0 || window[magic] !== 0x75 || window[magic + 5] !== 0) {
      return name;
    }
    const prefix = readText(window, at + FIELD.prefix[0], FIELD.prefix[1], this.#path, base + at);
    return `${prefix}/${name}`;
  }

  #bad(found: string, offset: number): FormatError {
    return new FormatError("bad-header", `expected a tar member, found ${found}`, {
      path: this.#path,
      offset,
      suggestions: NOT_WHOLE,
    });
  }
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
