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
   * Appends a regular file. Returns a promise where the sink must be waited for; no other call may
   * be made before it is settled.
   */
  add(name: string, data: Uint8Array): void | Promise<void> {
    const headerBytes = this.#encoder.byteLength(name, data.length);
    const needed = headerBytes + paddedBytes(data.length);
    if (this.#used + needed <= BATCH_BYTES) {
      this.#append(name, data, headerBytes);
      return undefined;
    }
    const flushed = this.#flush();
    if (flushed !== undefined) return flushed.then(() => this.#addToEmpty(name, data, headerBytes));
    return this.#addToEmpty(name, data, headerBytes);
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

  #addToEmpty(name: string, data: Uint8Array, headerBytes: number): void | Promise<void> {
    if (headerBytes + paddedBytes(data.length) <= BATCH_BYTES) {
      this.#append(name, data, headerBytes);
      return undefined;
    }
    return this.#addLarge(name, data, headerBytes);
  }

  async #addLarge(name: string, data: Uint8Array, headerBytes: number): Promise<void> {
    this.#encoder.encode(this.#batch, 0, name, data.length);
    this.#used = headerBytes;
    await this.#flush();
    await this.#sink.write(data);
    this.#flushed += data.length;
    this.#used = paddedBytes(data.length) - data.length;
    this.#batch.fill(0, 0, this.#used);
  }

  #append(name: string, data: Uint8Array, headerBytes: number): void {
    this.#encoder.encode(this.#batch, this.#used, name, data.length);
    const begin = this.#used + headerBytes;
    this.#batch.set(data, begin);
    this.#used = begin + paddedBytes(data.length);
    this.#batch.fill(0, begin + data.length, this.#used);
  }

  #flush(): void | Promise<void> {
    if (this.#used === 0) return undefined;
    const bytes = this.#batch.subarray(0, this.#used);
    this.#flushed += this.#used;
    this.#used = 0;
    return this.#sink.write(bytes);
  }
}
