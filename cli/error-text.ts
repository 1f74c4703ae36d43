/** How an error looks to a person and to a script: text, JSON, exit code. */
import { InvalidArgumentError, ScdlError } from "../formats/common/errors.ts";

export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
export const EXIT_INTERRUPTED = 130;

/** The reason with which the command line aborts running work on SIGINT or SIGTERM. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";

  constructor(signal: NodeJS.Signals) {
    super(`interrupted (${signal})`);
  }
}

/** 0 done, 1 data or run-time failure, 2 wrong usage, 130 interrupted. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof InterruptedError) return EXIT_INTERRUPTED;
  if (error instanceof InvalidArgumentError) return EXIT_USAGE;
  return oclifExitCode(error) ?? EXIT_FAILURE;
}

/**
 * One line for an error, the parser's own included, and one more per suggestion. Control
 * characters, which file names and file contents may carry, are escaped.
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
  if (oclifExitCode(error) !== undefined) return `error: ${usageText(error)} [usage]`;
  return `error: unexpected ${error.name}: ${oneLine(error.message)} (a defect; --debug shows where)`;
}

function suggestionsOf(error: unknown): readonly string[] {
  if (error instanceof ScdlError) return error.suggestions;
  const isUsage = oclifExitCode(error) !== undefined;
  return isUsage ? ["the command with --help lists its arguments and flags"] : [];
}

/** The parser's message, which it spreads over several lines, as one. */
function usageText(error: Error): string {
  const lines = error.message.split("\n").map((line) => line.trim());
  const told = lines.filter((line) => line !== "" && line !== "See more help with --help");
  const text = told.join("; ").replaceAll(":; ", ": ");
  return oneLine(text.replace(/^Parsing (--\S+); /, "$1: "));
}

function stackOf(error: Error): string {
  const text = error.stack ?? String(error);
  return error.cause instanceof Error ? `${text}\ncaused by: ${stackOf(error.cause)}` : text;
}

/** What `--json` prints for a failure. */
export function errorToJson(error: unknown): { readonly error: Record<string, unknown> } {
  if (!(error instanceof Error)) return { error: { name: "Error", message: String(error) } };
  const { cause: _cause, ...fields } = error;
  const known = error instanceof ScdlError ? fields : {};
  return { error: { name: error.name, message: error.message, ...known } };
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
