/**
 * JSON as Python's `json.load` reads it: dicts keep the order of their keys, also of keys that look
 * like numbers (a JavaScript object would sort them), and NaN and Infinity are numbers.
 */
import { FormatError } from "./errors.ts";

/** Objects become a Map in the order of the file. */
export type OrderedJson =
  | string
  | number
  | boolean
  | null
  | readonly OrderedJson[]
  | ReadonlyMap<string, OrderedJson>;

const MAX_DEPTH = 100;
const WORD = /NaN|-?Infinity|true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y;
const SPACE = /[ \t\n\r]*/y;

const WORDS: ReadonlyMap<string, OrderedJson> = new Map<string, OrderedJson>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

/**
 * @throws FormatError "bad-json" with the byte offset, for anything that is not one JSON value and
 *   for a key that an object has twice (Python would drop the first).
 */
export function readPythonJson(bytes: Uint8Array, path: string): OrderedJson {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError("bad-json", "expected JSON, found bytes that are not UTF-8", {
      path,
      cause,
    });
  }
  const reader = new Reader(text, path);
  return reader.whole();
}

class Reader {
  readonly #text: string;
  readonly #path: string;
  #at = 0;

  constructor(text: string, path: string) {
    this.#text = text;
    this.#path = path;
  }

  whole(): OrderedJson {
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) throw this.#error("expected nothing after the JSON value");
    return value;
  }

  #value(depth: number): OrderedJson {
    if (depth > MAX_DEPTH) throw this.#error(`expected at most ${MAX_DEPTH} levels of JSON`);
    this.#space();
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
      default: {
        const word = this.#match(WORD);
        if (word === null) throw this.#error("expected a JSON value");
        // Number() reads what the pattern lets through, and "NaN" and "Infinity" as Python does.
        return WORDS.get(word) ?? (word === "null" ? null : Number(word));
      }
    }
  }

  #object(depth: number): ReadonlyMap<string, OrderedJson> {
    const members = new Map<string, OrderedJson>();
    this.#at++;
    this.#space();
    if (this.#accept("}")) return members;
    do {
      this.#space();
      const begin = this.#at;
      const key = this.#string();
      if (members.has(key)) {
        this.#at = begin;
        throw this.#error(`the key ${JSON.stringify(key)} is there twice`);
      }
      this.#space();
      this.#expect(":");
      members.set(key, this.#value(depth + 1));
      this.#space();
    } while (this.#accept(","));
    this.#expect("}");
    return members;
  }

  #array(depth: number): readonly OrderedJson[] {
    const items: OrderedJson[] = [];
    this.#at++;
    this.#space();
    if (this.#accept("]")) return items;
    do {
      items.push(this.#value(depth + 1));
      this.#space();
    } while (this.#accept(","));
    this.#expect("]");
    return items;
  }

  #string(): string {
    const begin = this.#at;
    const quoted = this.#match(STRING);
    if (quoted === null) throw this.#error("expected a JSON string");
    try {
      return String(JSON.parse(quoted));
    } catch {
      this.#at = begin;
      throw this.#error("expected a JSON string, found a control character or a bad escape");
    }
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? null;
    if (found !== null) this.#at += found.length;
    return found;
  }

  #space(): void {
    this.#match(SPACE);
  }

  #accept(sign: string): boolean {
    if (this.#text[this.#at] !== sign) return false;
    this.#at++;
    return true;
  }

  #expect(sign: string): void {
    if (!this.#accept(sign)) throw this.#error(`expected ${JSON.stringify(sign)}`);
  }

  #error(message: string): FormatError {
    return new FormatError("bad-json", message, {
      path: this.#path,
      offset: Buffer.byteLength(this.#text.slice(0, this.#at)),
    });
  }
}
