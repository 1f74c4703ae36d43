import { FormatError } from "../common/errors.ts";

const MAGIC = 0xfd2f_b528;
/** Frames without data: 16 numbers from here. */
const SKIPPABLE = 0x184d_2a50;
/** A block of one byte that is repeated. */
const REPEATED = 1;

/** What the next header is of; "other" is no zstd, which the decoder tells. */
type Part = "magic" | "length to skip" | "descriptor" | "block" | "other";

/** Bytes of each header. */
const HEADER_BYTES = { magic: 4, "length to skip": 4, descriptor: 1, block: 3 } as const;

/**
 * Where frames end in a stream of zstd (RFC 8878): only headers are looked at. Node's decoder drops
 * what follows a frame in the same chunk, and some releases of Node say nothing of a frame that is cut.
 */
class FrameWalk {
  #part: Part = "magic";
  /** The header as far as it was seen, little-endian. */
  #header = 0;
  #seen = 0;
  /** Bytes to pass over before the next header. */
  #skip = 0;
  #hasChecksum = false;

  /** Whether a frame ends here. */
  get isAtEnd(): boolean {
    return this.#part === "other" || (this.#part === "magic" && this.#seen + this.#skip === 0);
  }

  /** Bytes up to the first end of a frame, or all. */
  walk(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length) {
      if (this.#part === "other") return bytes.length;
      const skipped = Math.min(this.#skip, bytes.length - at);
      this.#skip -= skipped;
      at += skipped;
      if (skipped > 0 && this.isAtEnd) return at;
      if (at === bytes.length) break;
      this.#header += (bytes[at++] ?? 0) * 2 ** (8 * this.#seen++);
      if (this.#seen < HEADER_BYTES[this.#part]) continue;
      const header = this.#header;
      this.#header = 0;
      this.#seen = 0;
      this.#next(header);
      if (this.isAtEnd) return at;
    }
    return at;
  }

  #next(header: number): void {
    if (this.#part === "magic") {
      const isSkippable = header >= SKIPPABLE && header < SKIPPABLE + 16;
      this.#part = header === MAGIC ? "descriptor" : isSkippable ? "length to skip" : "other";
    } else if (this.#part === "length to skip") {
      this.#skip = header;
      this.#part = "magic";
    } else if (this.#part === "descriptor") {
      const isSingle = (header & 32) !== 0;
      this.#hasChecksum = (header & 4) !== 0;
      const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][header >> 6] ?? 0;
      const dictionaryBytes = [0, 1, 2, 4][header & 3] ?? 0;
      this.#skip = (isSingle ? 0 : 1) + dictionaryBytes + sizeBytes;
      this.#part = "block";
    } else {
      const isLast = (header & 1) !== 0;
      const isRepeated = ((header >> 1) & 3) === REPEATED;
      this.#skip = isRepeated ? 1 : header >> 3;
      if (isLast && this.#hasChecksum) this.#skip += 4;
      this.#part = isLast ? "magic" : "block";
    }
  }
}

/** The same bytes, no chunk with those of two frames. @throws FormatError "truncated" for a frame that is cut */
export async function* framesApart(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
): AsyncGenerator<Uint8Array> {
  const frames = new FrameWalk();
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const end = at + frames.walk(chunk.subarray(at));
      yield chunk.subarray(at, end);
      at = end;
    }
  }
  if (frames.isAtEnd) return;
  throw new FormatError("truncated", "the file ends within a zstd frame", {
    path,
    suggestions: ["copy or write the file again: it was cut"],
  });
}
