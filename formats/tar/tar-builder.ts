import { HeaderEncoder, type MemberAttributes } from "./encode-header.ts";
import { BLOCK_BYTES, paddedBytes } from "./header.ts";
import { END_BYTES } from "./member.ts";
import type { ByteSink } from "./output-sink.ts";

const BATCH_BYTES = 2 ** 20;
/** Archives are padded to this, as every tar program does. */
const RECORD_BYTES = 20 * BLOCK_BYTES;

/**
 * Writes the members of one tar archive to a sink, in batches of 1 MiB. The same members give the
 * same bytes, which are those of Python's tarfile.
 */
export class TarBuilder {
  readonly #sink: ByteSink;
  readonly #encoder: HeaderEncoder;
  readonly #batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #used = 0;
  #flushed = 0;

  constructor(sink: ByteSink, attributes: MemberAttributes) {
    this.#sink = sink;
    this.#encoder = new HeaderEncoder(attributes);
  }

  /** Where the next member will begin in the (uncompressed) archive. */
  get offset(): number {
    return this.#flushed + this.#used;
  }

  /**
   * Appends a regular file, whose data may come in parts. Returns a promise where the sink must be
   * waited for; no other call may be made, and the data not changed, before it is settled.
   */
  add(name: string, ...parts: readonly Uint8Array[]): void | Promise<void> {
    let size = 0;
    for (const part of parts) size += part.length;
    const headerBytes = this.#encoder.byteLength(name, size);
    if (this.#used + headerBytes + paddedBytes(size) <= BATCH_BYTES) {
      this.#append(name, parts, size, headerBytes);
      return undefined;
    }
    const flushed = this.#flush();
    if (flushed === undefined) return this.#addToEmpty(name, parts, size, headerBytes);
    return flushed.then(() => this.#addToEmpty(name, parts, size, headerBytes));
  }

  /** Writes the end marker and finishes the sink. */
  async finish(): Promise<void> {
    const end = Math.ceil((this.offset + END_BYTES) / RECORD_BYTES) * RECORD_BYTES;
    const padding = end - this.offset;
    if (this.#used + padding > BATCH_BYTES) await this.#flush();
    this.#batch.fill(0, this.#used, this.#used + padding);
    this.#used += padding;
    await this.#flush();
    await this.#sink.finish();
  }

  #addToEmpty(
    name: string,
    parts: readonly Uint8Array[],
    size: number,
    headerBytes: number,
  ): void | Promise<void> {
    if (headerBytes + paddedBytes(size) > BATCH_BYTES) {
      return this.#addLarge(name, parts, size, headerBytes);
    }
    this.#append(name, parts, size, headerBytes);
    return undefined;
  }

  async #addLarge(
    name: string,
    parts: readonly Uint8Array[],
    size: number,
    headerBytes: number,
  ): Promise<void> {
    this.#encoder.encode(this.#batch, 0, name, size);
    this.#used = headerBytes;
    await this.#flush();
    for (const part of parts) await this.#sink.write(part);
    this.#flushed += size;
    this.#used = paddedBytes(size) - size;
    this.#batch.fill(0, 0, this.#used);
  }

  #append(name: string, parts: readonly Uint8Array[], size: number, headerBytes: number): void {
    this.#encoder.encode(this.#batch, this.#used, name, size);
    let at = this.#used + headerBytes;
    this.#used = at + paddedBytes(size);
    for (const part of parts) {
      this.#batch.set(part, at);
      at += part.length;
    }
    this.#batch.fill(0, at, this.#used);
  }

  #flush(): void | Promise<void> {
    if (this.#used === 0) return undefined;
    const bytes = this.#batch.subarray(0, this.#used);
    this.#flushed += this.#used;
    this.#used = 0;
    return this.#sink.write(bytes);
  }
}
