import { type FileDigest, OutputFile } from "./output-file.ts";

const BUFFER_BYTES = 1 << 20;

/** An {@link OutputFile} for many small writes. */
export class BufferedOutput {
  readonly #file: OutputFile;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #words = new Uint32Array(this.#buffer.buffer);
  #at = 0;

  private constructor(file: OutputFile) {
    this.#file = file;
  }

  /** Creates the file; an existing one is an error. */
  static create(path: string): BufferedOutput {
    return new BufferedOutput(OutputFile.create(path));
  }

  /** Bytes written so far. */
  get position(): number {
    return this.#file.position + this.#at;
  }

  write(bytes: Uint8Array): void {
    const { byteLength } = bytes;
    if (byteLength > BUFFER_BYTES - this.#at) this.#flush();
    if (byteLength > BUFFER_BYTES) {
      this.#file.write(bytes);
    } else {
      this.#buffer.set(bytes, this.#at);
      this.#at += byteLength;
    }
  }

  /** A text, every one of whose characters is below 0x80. */
  writeAscii(text: string): void {
    if (text.length > BUFFER_BYTES - this.#at) this.#flush();
    if (text.length > BUFFER_BYTES) {
      this.#file.write(Buffer.from(text, "latin1"));
      return;
    }
    let at = this.#at;
    for (let i = 0; i < text.length; i++) this.#buffer[at++] = text.charCodeAt(i);
    this.#at = at;
  }

  /** A little-endian uint64; everything before was a multiple of 8 bytes. */
  writeUint64(value: number): void {
    if (this.#at === BUFFER_BYTES) this.#flush();
    const word = this.#at >>> 2;
    this.#words[word] = value;
    this.#words[word + 1] = Math.floor(value / 0x1_0000_0000);
    this.#at += 8;
  }

  /** Flushes to the disk and closes. */
  finish(): FileDigest {
    this.#flush();
    return this.#file.finish();
  }

  /** Closes without flushing; the caller removes the file. */
  close(): void {
    this.#file.close();
  }

  #flush(): void {
    if (this.#at > 0) this.#file.write(this.#buffer.subarray(0, this.#at));
    this.#at = 0;
  }
}
