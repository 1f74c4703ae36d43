import type { ByteStream } from "../bytes/byte-stream.ts";
import { FormatError } from "../common/errors.ts";
import { END_OF_ARCHIVE, MemberParser, PARSED } from "./member.ts";

const WINDOW_BYTES = 2 ** 20;

export interface TarReaderOptions {
  /** Offset in the archive at which the stream begins: the header of a member. Default 0. */
  readonly offset?: number;
}

/**
 * The members of a tar archive (ustar, PAX, GNU long names, base-256 sizes), one after another.
 *
 * ```ts
 * const reader = new TarReader(FileStream.open("shard.tar"));
 * for (;;) {
 *   const more = reader.next(); // waits only where the stream does
 *   if (!(typeof more === "boolean" ? more : await more)) break;
 *   reader.name; reader.copyData();
 * }
 * ```
 * An archive ends with two blocks of zeros; without them it was cut. Memory: 1 MiB, or the largest
 * member. Every error is a FormatError that names the byte, or an UnsupportedFeatureError for
 * sparse and multi-volume members.
 */
export class TarReader {
  readonly #stream: ByteStream;
  readonly #member: MemberParser;
  #window: Uint8Array<ArrayBuffer> = new Uint8Array(WINDOW_BYTES);
  /** Offset in the archive of the window's first byte. */
  #base: number;
  #begin = 0;
  #limit = 0;
  #ended = false;

  constructor(stream: ByteStream, options: TarReaderOptions = {}) {
    this.#stream = stream;
    this.#member = new MemberParser(stream.path);
    this.#base = options.offset ?? 0;
  }

  get name(): string {
    return this.#member.name;
  }
  /** Data bytes. */
  get size(): number {
    return this.#member.size;
  }
  /** Seconds since 1970, possibly with a fraction. */
  get mtime(): number {
    return this.#member.mtime;
  }
  /** False for directories, links, devices and unknown types, which have no data. */
  get isFile(): boolean {
    return this.#member.isFile;
  }
  /** Where the member's first header begins in the archive, its extensions included. */
  get offset(): number {
    return this.#base + this.#begin;
  }
  /** Where the member ends in the archive, and the next begins. */
  get endOffset(): number {
    return this.#base + this.#member.end;
  }

  /** Moves to the next member; false at the end of the archive. */
  next(): boolean | Promise<boolean> {
    if (this.#ended) return false;
    this.#begin = this.#member.end;
    const missing = this.#parse();
    if (missing === PARSED) return true;
    if (missing === END_OF_ARCHIVE) return this.#finish();
    return this.#fillAndParse(missing);
  }

  /** The member's data in memory of its own. */
  copyData(): Uint8Array<ArrayBuffer> {
    const { dataBegin, size } = this.#member;
    return this.#window.slice(dataBegin, dataBegin + size);
  }

  /** The member's data; valid until the next call of {@link next}. */
  viewData(): Uint8Array<ArrayBuffer> {
    const { dataBegin, size } = this.#member;
    return this.#window.subarray(dataBegin, dataBegin + size);
  }

  /** PARSED only when the member's data is in the window too. */
  #parse(): number {
    const member = this.#member;
    const result = member.parse(this.#window, this.#begin, this.#limit, this.#base);
    if (result !== PARSED || member.end <= this.#limit) return result;
    return member.end - this.#begin;
  }

  #fillAndParse(needed: number): boolean | Promise<boolean> {
    for (let missing = needed; ; ) {
      while (this.#limit - this.#begin < missing) {
        const got = this.#readMore(missing);
        if (typeof got !== "number") return this.#fillLater(got, missing);
        this.#accept(got, missing);
      }
      missing = this.#parse();
      if (missing === PARSED) return true;
      if (missing === END_OF_ARCHIVE) return this.#finish();
    }
  }

  async #fillLater(first: Promise<number>, missing: number): Promise<boolean> {
    this.#accept(await first, missing);
    return await this.#fillAndParse(missing);
  }

  #readMore(needed: number): number | Promise<number> {
    if (this.#begin > 0) {
      this.#window.copyWithin(0, this.#begin, this.#limit);
      this.#base += this.#begin;
      this.#limit -= this.#begin;
      this.#begin = 0;
    }
    if (this.#limit === this.#window.length) {
      // Doubled and not sized as the header asks: the size may be a lie.
      const larger = new Uint8Array(
        Math.min(2 * this.#window.length, Math.max(needed, WINDOW_BYTES)),
      );
      larger.set(this.#window);
      this.#window = larger;
    }
    return this.#stream.read(this.#window.subarray(this.#limit));
  }

  #accept(got: number, needed: number): void {
    this.#limit += got;
    if (got > 0) return;
    const offset = this.#base + this.#limit;
    if (offset === 0) {
      throw new FormatError("truncated", "expected a tar archive, found an empty file", {
        path: this.#stream.path,
        suggestions: ["write or download it again, or leave it out"],
      });
    }
    throw new FormatError(
      "truncated",
      `expected at least ${needed - (this.#limit - this.#begin)} more bytes of a tar archive (${this.#whatIsCut()})`,
      {
        path: this.#stream.path,
        offset,
        suggestions: ["copy or write the archive again: it was cut"],
      },
    );
  }

  #whatIsCut(): string {
    if (this.#limit === this.#begin) return "its end marker is missing";
    return "it ends inside a member or its end marker";
  }

  /** What follows the end marker must be padding: a second archive appended would be lost. */
  #finish(): boolean | Promise<boolean> {
    this.#begin = this.#member.end;
    this.#ended = true;
    for (;;) {
      this.#assertPadding();
      this.#base += this.#limit;
      this.#begin = 0;
      this.#limit = 0;
      const got = this.#stream.read(this.#window);
      if (typeof got !== "number") return this.#finishLater(got);
      if (got === 0) return false;
      this.#limit = got;
    }
  }

  async #finishLater(first: Promise<number>): Promise<boolean> {
    for (let got = await first; got > 0; got = await this.#stream.read(this.#window)) {
      this.#limit = got;
      this.#assertPadding();
      this.#base += got;
    }
    this.#limit = 0;
    return false;
  }

  #assertPadding(): void {
    for (let i = this.#begin; i < this.#limit; i++) {
      if (this.#window[i] === 0) continue;
      throw new FormatError("trailing-data", "expected nothing after the end of the tar archive", {
        path: this.#stream.path,
        offset: this.#base + i,
        suggestions: ["keep archives that were joined with cat as files of their own"],
      });
    }
  }
}
