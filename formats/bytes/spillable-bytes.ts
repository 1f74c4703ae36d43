import { SpillFile } from "./spill-file.ts";

export interface SpillOptions {
  /** Bytes kept in memory; more go to a temporary file. */
  readonly memoryBytes: number;
  /** Where the temporary file is made. Default the system's temporary directory. */
  readonly directory?: string;
}

/** Bytes written from start to end and then read anywhere: in memory while they are few, else in a file. */
export class SpillableBytes implements Disposable {
  readonly #memoryBytes: number;
  readonly #directory: string | undefined;
  #memory: Uint8Array | null = new Uint8Array(4096);
  #file: SpillFile | null = null;
  #byteLength = 0;

  constructor(options: SpillOptions) {
    this.#memoryBytes = options.memoryBytes;
    this.#directory = options.directory;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  get isSpilled(): boolean {
    return this.#file !== null;
  }

  append(bytes: Uint8Array): void {
    const begin = this.#byteLength;
    const end = begin + bytes.byteLength;
    if (this.#memory !== null && end > this.#memoryBytes) this.#spill(this.#memory);
    if (this.#memory === null) {
      this.#file?.write(begin, bytes);
    } else {
      if (end > this.#memory.byteLength) this.#memory = grown(this.#memory, end);
      this.#memory.set(bytes, begin);
    }
    this.#byteLength = end;
  }

  /** Fills `target` from `offset`; the range must have been written. */
  readInto(offset: number, target: Uint8Array): void {
    if (this.#memory === null) {
      this.#file?.readInto(offset, target);
    } else {
      target.set(this.#memory.subarray(offset, offset + target.byteLength));
    }
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
    this.#file = null;
    this.#memory = null;
  }

  #spill(memory: Uint8Array): void {
    const file = new SpillFile(this.#directory);
    file.write(0, memory.subarray(0, this.#byteLength));
    this.#file = file;
    this.#memory = null;
  }
}

function grown(memory: Uint8Array, atLeast: number): Uint8Array {
  const larger = new Uint8Array(Math.max(atLeast, 2 * memory.byteLength));
  larger.set(memory);
  return larger;
}
