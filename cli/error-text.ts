/** How an error looks to a person and to a script: text, JSON, exit code. */
import { constants } from "node:os";
import { closest } from "../formats/common/did-you-mean.ts";
import {
  FormatError,
  InvalidArgumentError,
  NotFoundError,
  ScdlError,
} from "../formats/common/errors.ts";
import { ClosedOutputError } from "./output.ts";

export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;

/** The reason with which the command line aborts running work on a signal. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
  readonly code = "interrupted";
  /** Other processes of a run are told. */
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`interrupted (${signal})`);
    this.signal = signal;
  }
}

/** 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP, 141 for SIGPIPE, as shells have it. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/** The command line could not be parsed. */
export class UsageError extends ScdlError {
  constructor(message: string, suggestions: readonly string[], cause: unknown) {
    super("usage", message, { suggestions, cause });
  }
}

/**
 * An error of the parser as a {@link UsageError}; anything else as it is.
 *
 * @param flags the command's flags without dashes, among which a mistyped one is looked for
 */
export function usageErrorOf(error: unknown, flags: readonly string[] = []): unknown {
  const exit = oclifExitCode(error);
  if (!(error instanceof Error) || exit === undefined || exit === 0) return error;
  const suggestions = ["the command with --help lists its arguments and flags"];
  const wrong = "flags" in error && Array.isArray(error.flags) ? error.flags.map(String) : [];
  for (const flag of wrong) {
    const meant = closest(flag.replace(/^-+/, ""), flags);
    if (meant !== null) suggestions.unshift(`--${meant}, if that is what ${flag} should be`);
  }
  return new UsageError(usageText(error), suggestions, error);
}

/** 0 done, 1 data or run-time failure, 2 wrong usage, 128 and its number for a signal. */
export function exitCodeOf(error: unknown): number {
  const isSignal = error instanceof InterruptedError || error instanceof ClosedOutputError;
  if (isSignal) return exitCodeOfSignal(error.signal);
  if (error instanceof InvalidArgumentError || error instanceof UsageError) return EXIT_USAGE;
  return oclifExitCode(error) ?? EXIT_FAILURE;
}

/**
 * One line for an error and one more per suggestion. Control characters, which file names and file
 * contents may carry, are escaped.
 */
export function describeError(error: unknown, options: { readonly stack: boolean }): string {
  const lines = [headline(error)];
  for (const suggestion of suggestionsOf(error)) lines.push(`  try: ${oneLine(suggestion)}`);
  if (options.stack && error instanceof Error) lines.push(stackOf(error));
  return lines.join("\n");
}

function headline(error: unknown): string {
  if (error instanceof InterruptedError) return error.message;
  if (error instanceof ScdlError) return `error: ${oneLine(error.message)} [${error.code}]`;
  if (!(error instanceof Error)) return `error: ${oneLine(String(error))}`;
  return `error: unexpected ${error.name}: ${oneLine(error.message)} (a defect; --debug shows where)`;
}

/** The library's own; where it has none, what helps with such errors in general. */
function suggestionsOf(error: unknown): readonly string[] {
  if (!(error instanceof ScdlError)) return [];
  if (error.suggestions.length > 0) return error.suggestions;
  if (error instanceof InvalidArgumentError) {
    return ["the command with --help says what each argument and flag takes"];
  }
  if (error instanceof NotFoundError && IN_A_DATA_SET.test(error.code)) {
    return ["scdl inspect shows what there is"];
  }
  if (error instanceof FormatError) {
    const again = "copy or download the file again";
    return OF_A_DATA_SET.test(error.path)
      ? ["scdl inspect --verify looks for more damage", again]
      : [again];
  }
  return [];
}

/** Codes of what a data set may lack. */
const IN_A_DATA_SET = /^no-such-(column|key|matrix|gene|row)/;
/** Files of data sets, which `scdl inspect` reads. */
const OF_A_DATA_SET = /\.(h5ad|h5|npy|sch|scdl)$|_features\b/;

/** The parser's message, which it spreads over several lines, as one. */
function usageText(error: Error): string {
  const lines = error.message.split("\n").map((line) => line.trim());
  const told = lines.filter((line) => line !== "" && line !== "See more help with --help");
  const text = told.join("; ").replaceAll(":; ", ": ");
  return text.replace(/^Parsing (--\S+); /, "$1: ");
}

function stackOf(error: Error): string {
  const text = error.stack ?? String(error);
  return error.cause instanceof Error ? `${text}\ncaused by: ${stackOf(error.cause)}` : text;
}

/** What `--json` prints for a failure: always with name, code, message and suggestions. */
export function errorToJson(error: unknown): { readonly error: Record<string, unknown> } {
  if (!(error instanceof Error)) {
    return {
      error: { name: "Error", code: "unexpected", message: String(error), suggestions: [] },
    };
  }
  const { name, message } = error;
  const suggestions = suggestionsOf(error);
  if (error instanceof ScdlError) {
    const { cause: _cause, ...fields } = error;
    // Object.assign: the four that every error has come first.
    const all = Object.assign({ name, code: error.code, message }, fields, { suggestions });
    return { error: all };
  }
  const code = error instanceof InterruptedError ? error.code : "unexpected";
  return { error: { name, code, message, suggestions } };
}

/** `JSON.stringify` replacer: bigint as number while exact, else as text; NaN and infinities as text. */
export function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return value;
}

function oclifExitCode(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("oclif" in error)) return undefined;
  const { oclif } = error;
  if (typeof oclif !== "object" || oclif === null || !("exit" in oclif)) return EXIT_USAGE;
  return typeof oclif.exit === "number" ? oclif.exit : EXIT_USAGE;
}

/** Text with every control character written as an escape, so that it stays on one line. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    const code = character.charCodeAt(0);
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    return code < 256
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
