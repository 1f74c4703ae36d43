import type { ByteSource } from "../bytes/byte-source.ts";
import { type FileAccess, openSource } from "../bytes/open-source.ts";
import { NotFoundError, UnsupportedFeatureError } from "../common/errors.ts";
import { widenInto } from "./float-values.ts";
import {
  headerLength,
  LENGTH_BYTES,
  parseHeader,
  type SafetensorsHeader,
  type TensorEntry,
} from "./header.ts";
import { elementBits, isStoredDType, type StoredTensor, tensorOver } from "./tensor.ts";

export interface OpenSafetensorsOptions {
  /** How the file is read. Default "auto": mapped on a local file system, read by position else. */
  readonly access?: FileAccess;
}

/** Elements converted at a time. */
const BLOCK_ELEMENTS = 1 << 18;

/**
 * A safetensors file of any size: the header is read when it is opened, a tensor when it is asked
 * for. Arrays handed out are the caller's own.
 */
export class SafetensorsFile implements Disposable {
  readonly #source: ByteSource;
  readonly #entries: ReadonlyMap<string, TensorEntry>;
  readonly #header: SafetensorsHeader;

  private constructor(source: ByteSource, header: SafetensorsHeader) {
    this.#source = source;
    this.#header = header;
    this.#entries = new Map(header.tensors.map((entry) => [entry.name, entry]));
  }

  /**
   * Opens a file and checks its whole header; {@link close} it (or `using`).
   * @throws NotFoundError, StorageError, FormatError for a file that is cut, damaged or another one
   */
  static open(path: string, options: OpenSafetensorsOptions = {}): SafetensorsFile {
    return SafetensorsFile.fromSource(openSource(path, options));
  }

  /** Over bytes that are open already; closing the file closes them. @throws FormatError */
  static fromSource(source: ByteSource): SafetensorsFile {
    try {
      const { path, byteLength } = source;
      const prefix = new Uint8Array(LENGTH_BYTES);
      if (byteLength >= LENGTH_BYTES) source.readInto(0, prefix);
      const json = new Uint8Array(headerLength(prefix, path, byteLength));
      source.readInto(LENGTH_BYTES, json);
      return new SafetensorsFile(source, parseHeader(json, path, byteLength));
    } catch (error) {
      source.close();
      throw error;
    }
  }

  get path(): string {
    return this.#source.path;
  }

  /** In the order of the bytes. */
  get tensors(): readonly TensorEntry[] {
    return this.#header.tensors;
  }

  /** As the writer gave it, e.g. `{ format: "pt" }`. */
  get metadata(): Readonly<Record<string, string>> {
    return this.#header.metadata;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** @throws NotFoundError */
  entry(name: string): TensorEntry {
    const entry = this.#entries.get(name);
    if (entry !== undefined) return entry;
    throw new NotFoundError("no-such-tensor", `${this.path}: no tensor ${JSON.stringify(name)}`, {
      what: name,
      available: [...this.#entries.keys()],
    });
  }

  /**
   * One tensor in its own type.
   * @throws NotFoundError, UnsupportedFeatureError for a type without an array (8-bit floats, complex)
   */
  read(name: string): StoredTensor {
    const entry = this.entry(name);
    const { dtype, shape } = entry;
    if (!isStoredDType(dtype)) throw this.#unsupported(entry, "read");
    return tensorOver(dtype, shape, this.readBytes(name).buffer);
  }

  /** The bytes of one tensor, of any type. */
  readBytes(name: string): Uint8Array<ArrayBuffer> {
    const { begin, end } = this.entry(name);
    const bytes = new Uint8Array(end - begin);
    this.#source.readInto(begin, bytes);
    return bytes;
  }

  /**
   * One tensor of floats as float32, F16 and BF16 exactly, F64 rounded. Reads in blocks, so that
   * nothing but the result is in memory.
   *
   * @param target takes the values from its start; default a new array
   * @throws NotFoundError, UnsupportedFeatureError for other types
   */
  readFloat32(name: string, target?: Float32Array): Float32Array {
    const entry = this.entry(name);
    const { dtype, begin, end } = entry;
    if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16" && dtype !== "F64") {
      throw this.#unsupported(entry, "read as float32");
    }
    const width = (elementBits(dtype) ?? 8) / 8;
    const length = (end - begin) / width;
    const values = target?.subarray(0, length) ?? new Float32Array(length);
    if (values.length < length) {
      throw new RangeError(`${name} has ${length} elements, the target ${values.length}`);
    }
    if (dtype === "F32") {
      this.#source.readInto(
        begin,
        new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      );
      return values;
    }
    const block = new Uint8Array(width * Math.min(length, BLOCK_ELEMENTS));
    for (let at = 0; at < length; at += BLOCK_ELEMENTS) {
      const count = Math.min(BLOCK_ELEMENTS, length - at);
      this.#source.readInto(begin + at * width, block.subarray(0, count * width));
      widenInto(dtype, block.buffer, values.subarray(at, at + count));
    }
    return values;
  }

  /** All tensors, in the order of the bytes. */
  readAll(): Map<string, StoredTensor> {
    return new Map(this.tensors.map(({ name }) => [name, this.read(name)]));
  }

  close(): void {
    this.#source.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #unsupported({ name, dtype }: TensorEntry, verb: string): UnsupportedFeatureError {
    return new UnsupportedFeatureError(
      `safetensors ${dtype}`,
      `${this.path}: tensor ${JSON.stringify(name)} is ${dtype}, which cannot be ${verb}`,
      { suggestions: ["convert it in Python, or copy its bytes (readBytes)"] },
    );
  }
}
