/**
 * Options of callers without a type checker: names that do not exist and values of another kind.
 * Ranges and what options mean together stay with those who use them.
 */
import { closest } from "./did-you-mean.ts";
import { InvalidArgumentError } from "./errors.ts";

/** The kind of values an option takes. undefined is always taken, as the option left out. */
export interface OptionKind {
  /** Reads after "expected". */
  readonly expected: string;
  takes(value: unknown): boolean;
}

/** One kind for each option: a name left out does not compile. */
export type OptionKinds<O> = { readonly [Name in keyof Required<O>]: OptionKind };

export const aNumber = kind("a number", (value) => typeof value === "number");
export const aBoolean = kind("true or false", (value) => typeof value === "boolean");
export const aText = kind("a text", (value) => typeof value === "string");
export const texts = kind("a list of texts", isTexts);
export const aFunction = kind("a function", (value) => typeof value === "function");
export const numbers = kind(
  "a list of numbers",
  (value) => Array.isArray(value) && value.every((item) => typeof item === "number"),
);
export const functions = kind(
  "a list of functions",
  (value) => Array.isArray(value) && value.every((item) => typeof item === "function"),
);
export const anObject = kind("an object", isObject);
export const aSignal = kind("an AbortSignal", (value) => value instanceof AbortSignal);
export const anything = kind("anything", () => true);

export function oneOf(...values: readonly string[]): OptionKind {
  const texts = values.map((value) => JSON.stringify(value)).join(", ");
  return kind(values.length === 1 ? texts : `one of ${texts}`, (value) =>
    values.some((known) => known === value),
  );
}

/** What one of several kinds takes. */
export function either(...kinds: readonly OptionKind[]): OptionKind {
  const expected = kinds.map((one) => one.expected).join(", or ");
  return kind(expected, (value) => kinds.some((one) => one.takes(value)));
}

export const nothing = kind("null", (value) => value === null);

export interface CheckOptions {
  /** Names that are let pass unseen: where options of another object are spread into these. */
  readonly ignored?: readonly string[];
  /** Lets every other name pass: where a subclass adds options. Default false. */
  readonly allowOthers?: boolean;
  /** Names of other libraries, and what serves here. */
  readonly known?: Readonly<Record<string, string>>;
}

/**
 * @param owner what the options are of, e.g. "Loader"
 * @throws InvalidArgumentError naming the option, the kind expected and what was found, or the option
 *   that was probably meant.
 */
export function checkOptions<O extends object>(
  owner: string,
  options: O,
  kinds: OptionKinds<O>,
  { ignored = [], allowOthers = false, known: others = {} }: CheckOptions = {},
): void {
  if (!isObject(options)) {
    const message = `${owner}: expected an object of options, found ${shown(options)}`;
    throw new InvalidArgumentError("options", options, message);
  }
  const known = new Map<string, OptionKind>(Object.entries(kinds));
  for (const [name, value] of Object.entries(options)) {
    const takes = known.get(name);
    if (takes === undefined) {
      if (allowOthers || ignored.includes(name)) continue;
      const other = Object.hasOwn(others, name) ? others[name] : undefined;
      throw unknownOption(owner, name, value, [...known.keys()], other);
    }
    if (value === undefined || takes.takes(value)) continue;
    const message = `${owner}: ${name} is ${shown(value)}, expected ${takes.expected}`;
    throw new InvalidArgumentError(name, value, message);
  }
}

function unknownOption(
  owner: string,
  name: string,
  value: unknown,
  known: readonly string[],
  other: string | undefined,
): InvalidArgumentError {
  const meant = other ?? closest(name, known);
  return new InvalidArgumentError(name, value, `${owner} has no option ${name}`, {
    suggestions: [
      meant === null
        ? `leave it out; there is: ${known.join(", ")}`
        : `${meant}, if that is what ${name} should be`,
    ],
  });
}

/** A value of any kind in a few words of a message. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) {
    const maker = value.constructor;
    return maker === Object || maker === undefined ? "an object" : `an object of ${maker.name}`;
  }
  return String(value);
}

function kind(expected: string, takes: (value: unknown) => boolean): OptionKind {
  return { expected, takes };
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
