import { InvalidArgumentError } from "../../formats/common/errors.ts";

/** What whoever asks a closed executor for something is told, and what was asked before. */
export function executorClosed(name: string): InvalidArgumentError {
  return new InvalidArgumentError("executor", name, "the executor was closed");
}
