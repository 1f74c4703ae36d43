import { isScdlError, ScdlError } from "../../formats/common/errors.ts";

/** What runtimes and V8 say for it that have no code of their own. */
const SAID =
  /failed to allocate memory|bad_alloc|bad allocation|out of memory|array buffer allocation failed/i;

/** The error as one of the code "out-of-memory", if it is that; null for any other. */
export function outOfMemoryOf(error: unknown): ScdlError | null {
  if (isScdlError(error, "out-of-memory")) return error;
  if (error instanceof ScdlError || !(error instanceof Error) || !SAID.test(error.message)) {
    return null;
  }
  const first = error.message.split("\n")[0] ?? "";
  return new ScdlError("out-of-memory", `out of memory: ${first}`, { cause: error });
}
