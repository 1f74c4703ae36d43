/** Kinds of fields of a run's configuration: what they take, and their defaults. */
import { InvalidArgumentError } from "../../../formats/common/errors.ts";

export interface Field<T> {
  /** `undefined` for a field that must be given when it is asked for. */
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

export function count<T extends number | null = number>(value: T, least = 0): Field<T | number> {
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

export function flag(value: boolean): Field<boolean> {
  const read = (given: unknown): boolean | undefined => {
    if (typeof given === "boolean") return given;
    if (given === "true") return true;
    return given === "false" ? false : undefined;
  };
  return { value, expected: "true or false", read };
}

export function text(value: string): Field<string> {
  return { value, expected: "text", read: (given) => readText(given) };
}

/** Text, or null where there is none. */
export function optionalText(): Field<string | null> {
  const read = (given: unknown): string | null | undefined =>
    given === null ? null : readText(given);
  return { value: null, expected: "text or null", read };
}

function readText(given: unknown): string | undefined {
  if (typeof given === "number") return String(given);
  return typeof given === "string" ? given : undefined;
}

export function texts(): Field<readonly string[]> {
  const read = (given: unknown): readonly string[] | undefined =>
    Array.isArray(given) && given.every((item) => typeof item === "string") ? given : undefined;
  return { value: [], expected: "a list of texts", read };
}

export function choice<const C extends readonly string[]>(
  choices: C,
  value: C[number],
): Field<C[number]> {
  const read = (given: unknown): C[number] | undefined =>
    choices.find((one) => one === String(given));
  return { value, expected: choices.join(" or "), read };
}

/** @throws InvalidArgumentError that names the key */
export function readField<T>(field: Field<T>, key: string, given: unknown): T {
  const value = field.read(given);
  if (value !== undefined) return value;
  const found = JSON.stringify(given) ?? String(given);
  throw new InvalidArgumentError(
    key,
    given,
    `${key}: expected ${field.expected}, found ${found.slice(0, 80)}`,
  );
}
