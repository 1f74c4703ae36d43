/** Kinds of fields of a run's configuration: what they take, and their defaults. */
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { LimitBatches } from "../../data/infer-samples.ts";

export interface Field<T> {
  readonly value: T;
  readonly expected: string;
  /** The value, converted; undefined when it is none. */
  read(given: unknown): T | undefined;
}

/** As pydantic does, text that is a number is one: environment variables and flags are text. */
function toNumber(given: unknown): number {
  if (typeof given === "number") return given;
  if (typeof given === "string" && /^[-+]?[\d.]+(e[-+]?\d+)?$/i.test(given)) return Number(given);
  return Number.NaN;
}

export function count(value: number, least = 0): Field<number> {
  const read = (given: unknown): number | undefined => {
    const number = toNumber(given);
    return Number.isSafeInteger(number) && number >= least ? number : undefined;
  };
  return { value, expected: `a whole number of ${least} or more`, read };
}

export function number(value: number, least = 0): Field<number> {
  const read = (given: unknown): number | undefined => {
    const found = toNumber(given);
    return Number.isFinite(found) && found >= least ? found : undefined;
  };
  return { value, expected: `a number of ${least} or more`, read };
}

/** A number from 0 to 1. */
export function share(value: number): Field<number> {
  const read = (given: unknown): number | undefined => {
    const found = toNumber(given);
    return found >= 0 && found <= 1 ? found : undefined;
  };
  return { value, expected: "a number from 0 to 1", read };
}

export function flag(value: boolean): Field<boolean> {
  const read = (given: unknown): boolean | undefined => {
    if (typeof given === "boolean") return given;
    if (given === "true") return true;
    return given === "false" ? false : undefined;
  };
  return { value, expected: "true or false", read };
}

export function text(value: string): Field<string> {
  const read = (given: unknown): string | undefined => {
    if (typeof given === "number") return String(given);
    return typeof given === "string" ? given : undefined;
  };
  return { value, expected: "text", read };
}

/** Null by default: not said. The originals' command lines write None. */
export function optional<T>(field: Field<T>): Field<T | null> {
  const read = (given: unknown): T | null | undefined => {
    const isNone = typeof given === "string" && /^(none|null)$/i.test(given);
    return given === null || isNone ? null : field.read(given);
  };
  return { value: null, expected: `${field.expected} or null`, read };
}

/** One or several. */
export function paths(): Field<string | readonly string[]> {
  const read = (given: unknown): string | readonly string[] | undefined => {
    if (typeof given === "string" && given !== "") return given;
    const isList = Array.isArray(given) && given.every((item) => typeof item === "string");
    return isList && given.length > 0 ? (given.length === 1 ? given[0] : given) : undefined;
  };
  return { value: "", expected: "a path or a list of paths", read };
}

export function texts(): Field<readonly string[]> {
  const read = (given: unknown): readonly string[] | undefined =>
    Array.isArray(given) && given.every((item) => typeof item === "string") ? given : undefined;
  return { value: [], expected: "a list of texts", read };
}

/** One of some words; `others` are other words for them. */
export function choice<const C extends readonly string[]>(
  choices: C,
  value: C[number],
  others: Readonly<Record<string, C[number]>> = {},
): Field<C[number]> {
  const read = (given: unknown): C[number] | undefined => {
    const word = String(given);
    return (
      choices.find((one) => one === word) ??
      (Object.hasOwn(others, word) ? others[word] : undefined)
    );
  };
  return { value, expected: choices.join(" or "), read };
}

/**
 * How much of a data set is used, as Lightning reads it: a whole number counts batches, a number with
 * a point is a share, null is all. A text keeps the point of `1.0`, which a number has lost.
 */
export function limit(value: LimitBatches): Field<LimitBatches> {
  const read = (given: unknown): LimitBatches | undefined => {
    if (given === null || (typeof given === "string" && /^(none|null)$/i.test(given))) return null;
    if (typeof given === "object") return isLimit(given) ? given : undefined;
    const found = toNumber(given);
    const isShare = typeof given === "string" ? /[.e]/i.test(given) : !Number.isInteger(found);
    if (!isShare) return Number.isSafeInteger(found) && found >= 0 ? { batches: found } : undefined;
    if (found === 0) return { batches: 0 };
    return found > 0 && found <= 1 ? { share: found } : undefined;
  };
  return { value, expected: "a number of batches or a share like 0.5 or 1.0", read };
}

function isLimit(given: object): given is { share: number } | { batches: number } {
  const [[name, value] = [], ...more] = Object.entries(given);
  return more.length === 0 && (name === "share" || name === "batches") && typeof value === "number";
}

/** @throws InvalidArgumentError that names the key; `name` is what the user calls it */
export function readField<T>(field: Field<T>, key: string, given: unknown, name = key): T {
  const value = field.read(given);
  if (value !== undefined) return value;
  // JSON has no NaN and no infinity.
  const found = (typeof given === "number" ? undefined : JSON.stringify(given)) ?? String(given);
  throw new InvalidArgumentError(
    key,
    given,
    `${name}: expected ${field.expected}, found ${found.slice(0, 80)}`,
  );
}
