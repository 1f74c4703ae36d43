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
import { PickleCursor } from "./pickle-cursor.ts";
import { plainValue } from "./plain-value.ts";

const MAX_PROTOCOL = 5;

export interface ReadPickleOptions {
  /** Dicts as a Map in their order, also those with only text keys. Default false. */
  readonly keepMaps?: boolean;
}

/**
 * The value of a Python pickle (protocols 0 to 5) that holds data only: None, booleans, numbers,
 * text, bytes, lists, tuples, dicts, sets and numpy arrays. Nothing is executed.
 *
 * Tuples and lists become arrays, dicts with text keys objects and other dicts a Map, sets a Set,
 * integers beyond 2^53 bigint, numpy arrays NdArray or TextArray, numpy scalars numbers.
 * @throws UnsupportedFeatureError that names the first class, function or opcode that is not
 *   allowed; FormatError when the bytes are no whole pickle.
 */
export function readPickle(
  bytes: Uint8Array,
  path: string,
  options: ReadPickleOptions = {},
): unknown {
  return new Unpickler(bytes, path).load(options.keepMaps === true);
}

class Unpickler {
  readonly #cursor: PickleCursor;
  readonly #context: PickleContext;
  readonly #memo = new Map<number, unknown>();
  #stack: unknown[] = [];

  constructor(bytes: Uint8Array, path: string) {
    this.#cursor = new PickleCursor(bytes, path);
    this.#context = { path, unfilled: new Set() };
  }

  load(keepMaps: boolean): unknown {
    for (;;) {
      const opcode = this.#cursor.byte();
      if (opcode === 0x2e) break;
      const value = this.#value(opcode);
      if (value !== NOTHING) this.#stack.push(value);
    }
    const value = this.#pop();
    if (this.#stack.length > 0 || this.#context.unfilled.size > 0) {
      throw this.#cursor.error("expected one finished value at the end");
    }
    const { isAtEnd, offset, path } = this.#cursor;
    if (!isAtEnd) {
      throw new FormatError("trailing-data", "expected nothing after the pickle", {
        path,
        offset,
      });
    }
    return plainValue(value, path, keepMaps);
  }

  /** What an opcode pushes, or {@link NOTHING}. */
  #value(opcode: number): unknown {
    switch (String.fromCharCode(opcode)) {
      case "\x80":
        this.#protocol(this.#cursor.byte());
        return NOTHING;
      case "\x95":
        // A frame only says how far one may read ahead.
        this.#cursor.skip(8);
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
        return this.#cursor.textInteger();
      case "L":
        return this.#cursor.longText();
      case "J":
        return this.#cursor.int32();
      case "K":
        return this.#cursor.byte();
      case "M":
        return this.#cursor.uint16();
      case "\x8a":
        return this.#cursor.long(this.#cursor.byte());
      case "\x8b":
        return this.#cursor.long(this.#cursor.int32());
      case "F":
        return this.#cursor.textFloat();
      case "G":
        return this.#cursor.float64();
      case "V":
        return this.#cursor.escapedText();
      case "X":
        return this.#cursor.text(this.#cursor.uint32());
      case "\x8c":
        return this.#cursor.text(this.#cursor.byte());
      case "\x8d":
        return this.#cursor.text(this.#cursor.uint64());
      case "T":
        return this.#cursor.ascii(this.#cursor.int32());
      case "U":
        return this.#cursor.ascii(this.#cursor.byte());
      case "B":
        return this.#cursor.slice(this.#cursor.uint32());
      case "C":
        return this.#cursor.slice(this.#cursor.byte());
      case "\x8e":
      case "\x96":
        return this.#cursor.slice(this.#cursor.uint64());
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
        this.#memo.set(Number(this.#cursor.line()), this.#top());
        return NOTHING;
      case "q":
        this.#memo.set(this.#cursor.byte(), this.#top());
        return NOTHING;
      case "r":
        this.#memo.set(this.#cursor.uint32(), this.#top());
        return NOTHING;
      case "\x94":
        this.#memo.set(this.#memo.size, this.#top());
        return NOTHING;
      case "g":
        return this.#recall(Number(this.#cursor.line()));
      case "h":
        return this.#recall(this.#cursor.byte());
      case "j":
        return this.#recall(this.#cursor.uint32());
      case "c": {
        const module = this.#cursor.line();
        return allowedGlobal(module, this.#cursor.line(), this.#cursor.path);
      }
      case "\x93":
        return this.#stackGlobal();
      case "R":
        return this.#reduce();
      case "b":
        this.#build();
        return NOTHING;
      default:
        throw this.#refuse(opcode);
    }
  }

  #protocol(version: number): void {
    if (version > MAX_PROTOCOL) {
      throw this.#cursor.error(`expected pickle protocol 0 to ${MAX_PROTOCOL}, found ${version}`);
    }
  }

  #stackGlobal(): Allowed {
    const [module, name] = this.#popTuple(2);
    if (typeof module !== "string" || typeof name !== "string") {
      throw this.#cursor.error("expected the name of a class as text");
    }
    return allowedGlobal(module, name, this.#cursor.path);
  }

  #reduce(): unknown {
    const [callable, args] = this.#popTuple(2);
    if (!(callable instanceof Allowed) || !Array.isArray(args)) {
      throw this.#cursor.error("expected a callable and its arguments");
    }
    const value = callable.call(args, this.#context);
    if (value === undefined) throw this.#cursor.error(`unexpected arguments of ${callable.name}`);
    return value;
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
    throw this.#cursor.error("expected the state of a numpy dtype or array");
  }

  #append(items: readonly unknown[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.#cursor.error("expected a list to append to");
    for (const item of items) list.push(item);
  }

  #setItems(items: readonly unknown[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map)) throw this.#cursor.error("expected a dict to set items of");
    if (items.length % 2 !== 0) throw this.#cursor.error("expected pairs of keys and values");
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  }

  #addItems(items: readonly unknown[]): void {
    const set = this.#top();
    if (!(set instanceof Set)) throw this.#cursor.error("expected a set to add to");
    for (const item of items) set.add(item);
  }

  #pairs(items: readonly unknown[]): Map<unknown, unknown> {
    if (items.length % 2 !== 0) throw this.#cursor.error("expected pairs of keys and values");
    const pairs = new Map<unknown, unknown>();
    for (let i = 0; i < items.length; i += 2) pairs.set(items[i], items[i + 1]);
    return pairs;
  }

  #recall(index: number): unknown {
    if (!this.#memo.has(index)) throw this.#cursor.error(`expected a remembered value ${index}`);
    return this.#memo.get(index);
  }

  #top(): unknown {
    const value = this.#stack.at(-1);
    if (this.#stack.length === 0 || value === MARK) throw this.#cursor.error("expected a value");
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
    if (begin < 0) throw this.#cursor.error("expected a mark");
    const items = this.#stack.splice(begin);
    items.shift();
    return items;
  }

  #refuse(opcode: number): Error {
    const name = REFUSED_OPCODES[opcode];
    if (name === undefined) return this.#cursor.error(`unknown opcode 0x${opcode.toString(16)}`);
    return new UnsupportedFeatureError(
      `pickle ${name}`,
      `${this.#cursor.path}: pickle opcode ${name} is refused: it could run code (byte ${this.#cursor.offset - 1})`,
      { suggestions: ["store the payload as .npy, .json or .msgpack instead"] },
    );
  }
}
