import { FormatError, UnsupportedFeatureError } from "../common/errors.ts";
import {
  Allowed,
  allowedGlobal,
  fillArray,
  type PickleContext,
  PickledArray,
  PickledDtype,
} from "./allowed.ts";
import { MARK, NOTHING, REFUSED_OPCODES } from "./opcodes.ts";
import { plainValue } from "./plain-value.ts";

const MAX_PROTOCOL = 5;
/** As CPython: longer integers take quadratic time to read. */
const MAX_INTEGER_DIGITS = 4300;
const MAX_INTEGER_BYTES = 2048;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The value of a Python pickle (protocols 0 to 5) that holds data only: None, booleans, numbers,
 * text, bytes, lists, tuples, dicts, sets and numpy arrays. Nothing is executed.
 *
 * Tuples and lists become arrays, dicts with text keys objects and other dicts a Map, sets a Set,
 * integers beyond 2^53 bigint, numpy arrays NdArray or TextArray, numpy scalars numbers.
 * @throws UnsupportedFeatureError that names the first class, function or opcode that is not
 *   allowed; FormatError when the bytes are no whole pickle.
 */
export function readPickle(bytes: Uint8Array, path: string): unknown {
  return new Unpickler(bytes, path).load();
}

class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #path: string;
  readonly #context: PickleContext;
  readonly #memo = new Map<number, unknown>();
  #stack: unknown[] = [];
  #at = 0;

  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#path = path;
    this.#context = { path, unfilled: new Set() };
  }

  load(): unknown {
    for (;;) {
      const opcode = this.#byte();
      if (opcode === 0x2e) break;
      const value = this.#value(opcode);
      if (value !== NOTHING) this.#stack.push(value);
    }
    const value = this.#pop();
    if (this.#stack.length > 0 || this.#context.unfilled.size > 0) {
      throw this.#error("expected one finished value at the end");
    }
    if (this.#at !== this.#bytes.byteLength) {
      throw new FormatError("trailing-data", "expected nothing after the pickle", {
        path: this.#path,
        offset: this.#at,
      });
    }
    return plainValue(value, this.#path);
  }

  /** What an opcode pushes, or {@link NOTHING}. */
  #value(opcode: number): unknown {
    switch (String.fromCharCode(opcode)) {
      case "\x80":
        this.#protocol(this.#byte());
        return NOTHING;
      case "\x95":
        // A frame only says how far one may read ahead.
        this.#take(8);
        return NOTHING;
      case "(":
        return MARK;
      case "0":
        this.#pop();
        return NOTHING;
      case "1":
        this.#popMark();
        return NOTHING;
      case "2":
        return this.#top();
      case "N":
        return null;
      case "\x88":
        return true;
      case "\x89":
        return false;
      case "I":
        return this.#textInteger();
      case "L":
        return this.#longText();
      case "J":
        return this.#view.getInt32(this.#take(4), true);
      case "K":
        return this.#byte();
      case "M":
        return this.#view.getUint16(this.#take(2), true);
      case "\x8a":
        return this.#long(this.#byte());
      case "\x8b":
        return this.#long(this.#view.getInt32(this.#take(4), true));
      case "F":
        return this.#textFloat();
      case "G":
        return this.#view.getFloat64(this.#take(8));
      case "V":
        return this.#escapedText();
      case "X":
        return this.#text(this.#uint32());
      case "\x8c":
        return this.#text(this.#byte());
      case "\x8d":
        return this.#text(this.#uint64());
      case "T":
        return this.#ascii(this.#view.getInt32(this.#take(4), true));
      case "U":
        return this.#ascii(this.#byte());
      case "B":
        return this.#slice(this.#uint32());
      case "C":
        return this.#slice(this.#byte());
      case "\x8e":
      case "\x96":
        return this.#slice(this.#uint64());
      case "]":
      case ")":
        return [];
      case "}":
        return new Map();
      case "\x8f":
        return new Set();
      case "l":
      case "t":
        return this.#popMark();
      case "d":
        return this.#pairs(this.#popMark());
      case "\x91":
        return new Set(this.#popMark());
      case "\x85":
        return [this.#pop()];
      case "\x86":
        return this.#popTuple(2);
      case "\x87":
        return this.#popTuple(3);
      case "a":
        this.#append([this.#pop()]);
        return NOTHING;
      case "e":
        this.#append(this.#popMark());
        return NOTHING;
      case "s":
        this.#setItems(this.#popTuple(2));
        return NOTHING;
      case "u":
        this.#setItems(this.#popMark());
        return NOTHING;
      case "\x90":
        this.#addItems(this.#popMark());
        return NOTHING;
      case "p":
        this.#memo.set(Number(this.#line()), this.#top());
        return NOTHING;
      case "q":
        this.#memo.set(this.#byte(), this.#top());
        return NOTHING;
      case "r":
        this.#memo.set(this.#uint32(), this.#top());
        return NOTHING;
      case "\x94":
        this.#memo.set(this.#memo.size, this.#top());
        return NOTHING;
      case "g":
        return this.#recall(Number(this.#line()));
      case "h":
        return this.#recall(this.#byte());
      case "j":
        return this.#recall(this.#uint32());
      case "c": {
        const module = this.#line();
        return allowedGlobal(module, this.#line(), this.#path);
      }
      case "\x93":
        this.#stackGlobal();
        return NOTHING;
      case "R":
        this.#reduce();
        return NOTHING;
      case "b":
        this.#build();
        return NOTHING;
      default:
        throw this.#refuse(opcode);
    }
  }

  #protocol(version: number): void {
    if (version > MAX_PROTOCOL) {
      throw this.#error(`expected pickle protocol 0 to ${MAX_PROTOCOL}, found ${version}`);
    }
  }

  #stackGlobal(): void {
    const [module, name] = this.#popTuple(2);
    if (typeof module !== "string" || typeof name !== "string") {
      throw this.#error("expected the name of a class as text");
    }
    this.#stack.push(allowedGlobal(module, name, this.#path));
  }

  #reduce(): void {
    const [callable, args] = this.#popTuple(2);
    if (!(callable instanceof Allowed) || !Array.isArray(args)) {
      throw this.#error("expected a callable and its arguments");
    }
    const value = callable.call(args, this.#context);
    if (value === undefined) throw this.#error(`unexpected arguments of ${callable.name}`);
    this.#stack.push(value);
  }

  /** The state of a dtype or an array. */
  #build(): void {
    const state = this.#pop();
    const target = this.#top();
    if (Array.isArray(state)) {
      if (target instanceof PickledDtype && /^[<>|=]$/.test(String(state[1]))) {
        target.byteOrder = String(state[1]);
        return;
      }
      if (target instanceof PickledArray) {
        const [, shape, dtype, fortranOrder, bytes] = state;
        if (fillArray(target, bytes, dtype, shape, fortranOrder === true, this.#context)) return;
      }
    }
    throw this.#error("expected the state of a numpy dtype or array");
  }

  #append(items: readonly unknown[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.#error("expected a list to append to");
    for (const item of items) list.push(item);
  }

  #setItems(items: readonly unknown[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map)) throw this.#error("expected a dict to set items of");
    for (const [key, value] of this.#pairs(items)) dict.set(key, value);
  }

  #addItems(items: readonly unknown[]): void {
    const set = this.#top();
    if (!(set instanceof Set)) throw this.#error("expected a set to add to");
    for (const item of items) set.add(item);
  }

  #pairs(items: readonly unknown[]): Map<unknown, unknown> {
    if (items.length % 2 !== 0) throw this.#error("expected pairs of keys and values");
    const pairs = new Map<unknown, unknown>();
    for (let i = 0; i < items.length; i += 2) pairs.set(items[i], items[i + 1]);
    return pairs;
  }

  #recall(index: number): unknown {
    if (!this.#memo.has(index)) throw this.#error(`expected a remembered value ${index}`);
    return this.#memo.get(index);
  }

  #top(): unknown {
    const value = this.#stack.at(-1);
    if (this.#stack.length === 0 || value === MARK) throw this.#error("expected a value");
    return value;
  }

  #pop(): unknown {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #popTuple(count: number): unknown[] {
    const items: unknown[] = [];
    for (let i = 0; i < count; i++) items.unshift(this.#pop());
    return items;
  }

  #popMark(): unknown[] {
    const begin = this.#stack.lastIndexOf(MARK);
    if (begin < 0) throw this.#error("expected a mark");
    const items = this.#stack.splice(begin);
    items.shift();
    return items;
  }

  #textInteger(): number | bigint | boolean {
    const line = this.#line();
    if (line === "00") return false;
    if (line === "01") return true;
    return this.#integer(line);
  }

  #longText(): number | bigint {
    return this.#integer(this.#line().replace(/L$/, ""));
  }

  #integer(digits: string): number | bigint {
    if (!/^[-+]?\d+$/.test(digits) || digits.length > MAX_INTEGER_DIGITS) {
      throw this.#error(`expected an integer, found "${digits.slice(0, 40)}"`);
    }
    return narrow(BigInt(digits.replace(/^\+/, "")));
  }

  #long(length: number): number | bigint {
    if (length < 0 || length > MAX_INTEGER_BYTES) {
      throw this.#error(`expected an integer of at most ${MAX_INTEGER_BYTES} bytes`);
    }
    const bytes = this.#slice(length);
    if (length === 0) return 0;
    const hex = Buffer.from(bytes).reverse().toString("hex");
    return narrow(BigInt.asIntN(8 * length, BigInt(`0x${hex}`)));
  }

  #textFloat(): number {
    const line = this.#line();
    if (/^[-+]?inf$/.test(line)) return line.startsWith("-") ? -Infinity : Infinity;
    if (/^[-+]?nan$/.test(line)) return Number.NaN;
    if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(line)) {
      throw this.#error(`expected a number, found "${line.slice(0, 40)}"`);
    }
    return Number(line);
  }

  /** Protocol 0 text: Latin-1 with \uXXXX and \UXXXXXXXX. */
  #escapedText(): string {
    return this.#line().replace(
      /\\u([0-9a-fA-F]{4})|\\U(00[01][0-9a-fA-F]{5})/g,
      (all, short, long) => {
        const code = Number.parseInt(short ?? long, 16);
        return code > 0x10_ffff ? all : String.fromCodePoint(code);
      },
    );
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#truncated("a line");
    const line = Buffer.from(this.#bytes.subarray(this.#at, end)).toString("latin1");
    this.#at = end + 1;
    return line;
  }

  #text(length: number): string {
    const begin = this.#take(length);
    try {
      return UTF8.decode(this.#bytes.subarray(begin, begin + length));
    } catch (cause) {
      throw new FormatError("bad-text", "expected UTF-8 text in a pickle", {
        path: this.#path,
        offset: begin,
        cause,
      });
    }
  }

  #ascii(length: number): string {
    if (length < 0) throw this.#error("expected a length");
    const bytes = this.#slice(length);
    if (bytes.some((byte) => byte > 0x7f)) throw this.#error("expected ASCII text");
    return Buffer.from(bytes).toString("latin1");
  }

  #slice(length: number): Uint8Array {
    const begin = this.#take(length);
    return this.#bytes.slice(begin, begin + length);
  }

  #byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  #uint64(): number {
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
      path: this.#path,
      offset: this.#at,
    });
  }

  #error(message: string): FormatError {
    const details = { path: this.#path, offset: this.#at };
    return new FormatError("bad-pickle", `${message} in a pickle`, details);
  }

  #refuse(opcode: number): Error {
    const name = REFUSED_OPCODES[opcode];
    if (name === undefined) return this.#error(`unknown opcode 0x${opcode.toString(16)}`);
    return new UnsupportedFeatureError(
      `pickle ${name}`,
      `${this.#path}: pickle opcode ${name} is refused: it could run code (byte ${this.#at - 1})`,
      { suggestions: ["store the payload as .npy, .json or .msgpack instead"] },
    );
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
