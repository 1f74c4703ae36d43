/**
 * Bash-style braces in shard names: `{000000..000015}`, `{a..e..2}`, `{train,val}`, nested.
 *
 * As Python's `braceexpand`, which webdataset uses: a number with a leading zero pads all of them,
 * a backslash takes a character as it is, `{one}` stays as it stands, and unbalanced braces are an
 * error.
 */
import { InvalidArgumentError } from "../../formats/common/errors.ts";

const INTEGERS = /^(-?\d{1,15})\.\.(-?\d{1,15})(?:\.\.-?(\d{1,15}))?$/;
const LETTERS = /^([A-Za-z])\.\.([A-Za-z])(?:\.\.-?(\d{1,15}))?$/;
/** As in Python's module: upper case first. */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const MAX_NAMES = 10_000_000;

/** What a part of a pattern stands for: counted before the first name is made. */
interface Names {
  readonly count: number;
  readonly make: () => string[];
}

/**
 * All names a pattern stands for, in order.
 * @throws InvalidArgumentError for unbalanced braces and for more than 10 million names.
 */
export function braceExpand(pattern: string): string[] {
  const names = expand(pattern, pattern).make();
  return names.map((name) => name.replace(/\\([^\n])/g, "$1"));
}

function expand(text: string, pattern: string): Names {
  // Lists whose every combination is a name.
  const parts: Names[] = [];
  let start = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "\\") {
      at++;
    } else if (character === "{") {
      if (depth === 0) {
        parts.push(literal(text.slice(start, at)));
        start = at;
      }
      depth++;
    } else if (character === "}") {
      depth--;
      if (depth === 0) {
        parts.push(expandBraces(text.slice(start + 1, at), pattern));
        start = at + 1;
      }
    }
  }
  if (depth !== 0) {
    throw new InvalidArgumentError("urls", pattern, `unbalanced braces in "${pattern}"`, {
      suggestions: ["write \\{ or \\} for a brace that is part of a name"],
    });
  }
  parts.push(literal(text.slice(start)));
  return counted(
    parts.reduce((count, part) => count * part.count, 1),
    pattern,
    () => parts.map(({ make }) => make()).reduce(joined),
  );
}

function literal(text: string): Names {
  return { count: 1, make: () => [text] };
}

function expandBraces(inside: string, pattern: string): Names {
  const integers = INTEGERS.exec(inside);
  if (integers !== null) return integerRange(integers, pattern);
  const letters = LETTERS.exec(inside);
  if (letters !== null) return letterRange(letters, pattern);
  const parts = splitAtCommas(inside);
  if (parts === null) {
    const { count, make } = expand(inside, pattern);
    return { count, make: () => make().map((name) => `{${name}}`) };
  }
  const lists = parts.map((part) => expand(part, pattern));
  return counted(
    lists.reduce((count, list) => count + list.count, 0),
    pattern,
    () => lists.flatMap(({ make }) => make()),
  );
}

/** The parts between commas outside inner braces; null when there is no such comma. */
function splitAtCommas(inside: string): string[] | null {
  const parts: string[] = [];
  let start = 0;
  let depth = 0;
  for (let at = 0; at < inside.length; at++) {
    const character = inside[at];
    if (character === "\\") at++;
    else if (character === "{") depth++;
    else if (character === "}") depth--;
    else if (character === "," && depth === 0) {
      parts.push(inside.slice(start, at));
      start = at + 1;
    }
  }
  if (depth !== 0 || parts.length === 0) return null;
  return [...parts, inside.slice(start)];
}

function integerRange(match: RegExpExecArray, pattern: string): Names {
  const [, first = "", last = "", stepText = "1"] = match;
  const isPadded = [first, last].some((end) => /^-?0/.test(end) && end !== "0" && end !== "-0");
  const width = isPadded ? Math.max(first.length, last.length) : 0;
  const step = Number(stepText) || 1;
  const begin = Number(first);
  const end = Number(last);
  const count = Math.floor(Math.abs(end - begin) / step) + 1;
  const direction = begin < end ? 1 : -1;
  return counted(count, pattern, () =>
    Array.from({ length: count }, (_, i) => padded(begin + direction * i * step, width)),
  );
}

/** As `%0*d`: the sign counts towards the width. */
function padded(value: number, width: number): string {
  const digits = String(Math.abs(value));
  return value < 0 ? `-${digits.padStart(width - 1, "0")}` : digits.padStart(width, "0");
}

function letterRange(match: RegExpExecArray, pattern: string): Names {
  const [, first = "", last = "", stepText = "1"] = match;
  const begin = ALPHABET.indexOf(first);
  const end = ALPHABET.indexOf(last);
  const step = (Number(stepText) || 1) * (begin < end ? 1 : -1);
  const letters: string[] = [];
  for (let at = begin; step > 0 ? at <= end : at >= end; at += step) {
    letters.push(ALPHABET[at] as string);
  }
  return counted(letters.length, pattern, () => letters);
}

function joined(names: readonly string[], endings: readonly string[]): string[] {
  return names.flatMap((name) => endings.map((ending) => name + ending));
}

/** @throws InvalidArgumentError for more names than a pattern may stand for */
function counted(count: number, pattern: string, make: () => string[]): Names {
  if (count <= MAX_NAMES) return { count, make };
  const message = `"${pattern}" stands for more than ${MAX_NAMES} names`;
  throw new InvalidArgumentError("urls", pattern, message, {
    suggestions: ["check the ranges in its braces: the counts of all of them multiply"],
  });
}
