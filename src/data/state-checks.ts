import { IncompatibleError, InvalidArgumentError } from "../../formats/common/errors.ts";

/** What to do about a state of batches of another size. */
export const SAME_BATCHES: readonly string[] = [
  "keep the global batch size: --micro-batch-size times --accumulate-grad-batches times processes, globalBatchSize in code",
];

/**
 * Throws unless a value that was read back, perhaps from a file, is a state of this format and version.
 * @throws InvalidArgumentError for anything else; IncompatibleError "state-version".
 */
export function assertFormat(
  state: unknown,
  format: string,
  version: number,
): asserts state is Record<string, unknown> {
  if (!isRecord(state) || state["format"] !== format) {
    throw new InvalidArgumentError(
      "state",
      state,
      `the state is not one of a loader: expected format ${format}`,
      { suggestions: ["pass what loader.state() returned, read back with JSON.parse"] },
    );
  }
  if (state["version"] === version) return;
  throw new IncompatibleError(
    "state-version",
    `the state has version ${String(state["version"])}, this package reads version ${version}`,
    { suggestions: ["go on with the version of scdl that wrote the state"] },
  );
}

/** Throws unless a record of the state has exactly the expected values. @throws IncompatibleError `code` */
export function assertSame(
  code: string,
  what: string,
  found: unknown,
  expected: Readonly<Record<string, unknown>>,
  suggestions: readonly string[],
): void {
  const record = isRecord(found) ? found : {};
  const names = [...new Set([...Object.keys(expected), ...Object.keys(record)])];
  const other = names.filter((name) => record[name] !== expected[name]);
  if (other.length === 0) return;
  const differences = other.map(
    (name) =>
      `${name} ${JSON.stringify(record[name])} instead of ${JSON.stringify(expected[name])}`,
  );
  throw new IncompatibleError(code, `the state was made with ${what}: ${differences.join(", ")}`, {
    suggestions,
  });
}

/** A count of the state. @throws InvalidArgumentError */
export function countIn(state: Record<string, unknown>, name: string): number {
  const value = state[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError(
    `state.${name}`,
    value,
    `${name} of the state is ${JSON.stringify(value)}, expected an integer of at least 0`,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
