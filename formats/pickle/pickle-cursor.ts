import { FormatError } from "../common/errors.ts";

/** As CPython: longer integers take quadratic time to read. */
const MAX_INTEGER_DIGITS = 4300;
const MAX_INTEGER_BYTES = 2048;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The arguments of a pickle's opcodes, one after another: numbers, text and bytes as the protocols
 * write them. Whatever is not there in full is a FormatError that names the byte.
 */
export class PickleCursor {
  readonly path: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.path = path;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  skip(count: number): void {
    this.#take(count);
  }

  textInteger(): number | bigint | boolean {
    const line = this.line();
    if (line === "00") return false;
    if (line === "01") return true;
    return this.#integer(line);
  }

  longText(): number | bigint {
    return this.#integer(this.line().replace(/L$/, ""));
  }

  #integer(digits: string): number | bigint {
    if (!/^[-+]?\d+$/.test(digits) || digits.length > MAX_INTEGER_DIGITS) {
      throw this.error(`expected an integer, found "${digits.slice(0, 40)}"`);
    }
    return narrow(BigInt(digits.replace(/^\+/, "")));
  }

  long(length: number): number | bigint {
    if (length < 0 || length > MAX_INTEGER_BYTES) {
      throw this.error(`expected an integer of at most ${MAX_INTEGER_BYTES} bytes`);
    }
    const bytes = this.slice(length);
    if (length === 0) return 0;
    const hex = Buffer.from(bytes).reverse().toString("hex");
    return narrow(BigInt.asIntN(8 * length, BigInt(`0x${hex}`)));
  }

  textFloat(): number {
    const line = this.line();
    if (/^[-+]?inf$/.test(line)) return line.startsWith("-") ? -Infinity : Infinity;
    if (/^[-+]?nan$/.test(line)) return Number.NaN;
    if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(line)) {
      throw this.error(`expected a number, found "${line.slice(0, 40)}"`);
    }
    return Number(line);
  }

  /** Protocol 0 text: Latin-1 with \uXXXX and \UXXXXXXXX. */
  escapedText(): string {
    return this.line().replace(
      /\\u([0-9a-fA-F]{4})|\\U(00[01][0-9a-fA-F]{5})/g,
      (all, short, long) => {
        const code = Number.parseInt(short ?? long, 16);
        return code > 0x10_ffff ? all : String.fromCodePoint(code);
      },
    );
  }

  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#truncated("a line");
    const line = Buffer.from(this.#bytes.subarray(this.#at, end)).toString("latin1");
    this.#at = end + 1;
    return line;
  }

  text(length: number): string {
    const begin = this.#take(length);
    try {
      return UTF8.decode(this.#bytes.subarray(begin, begin + length));
    } catch (cause) {
      throw new FormatError("bad-text", "expected UTF-8 text in a pickle", {
        path: this.path,
        offset: begin,
        cause,
      });
    }
  }

  ascii(length: number): string {
    if (length < 0) throw this.error("expected a length");
    const bytes = this.slice(length);
    if (bytes.some((byte) => byte > 0x7f)) throw this.error("expected ASCII text");
    return Buffer.from(bytes).toString("latin1");
  }

  slice(length: number): Uint8Array {
    const begin = this.#take(length);
    return this.#bytes.slice(begin, begin + length);
  }

  byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  float64(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  uint64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  #take(count: number): number {
    const begin = this.#at;
    if (count > this.#bytes.byteLength - begin) throw this.#truncated(`${count} bytes`);
    this.#at = begin + count;
    return begin;
  }

  #truncated(what: string): FormatError {
    return new FormatError("truncated", `expected ${what} more of a pickle`, {
      path: this.path,
      offset: this.#at,
    });
  }

  error(message: string): FormatError {
    const details = { path: this.path, offset: this.#at };
    return new FormatError("bad-pickle", `${message} in a pickle`, details);
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
