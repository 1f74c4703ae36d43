/** stdout and stderr of this process: a reader may close them, a full disk may refuse them. */
// oclif's module adds a listener that throws what stdout fails with; it must exist to be removed.
import "@oclif/core/command";
import { fromFsError } from "../formats/common/errors.ts";

/** Whoever read stdout is gone: nothing is wrong, there is only nobody left to print for. */
export class ClosedOutputError extends Error {
  override readonly name = "ClosedOutputError";
  /** What would have ended the process by itself. */
  readonly signal = "SIGPIPE";
}

const lost = new AbortController();

/**
 * Aborts when stdout takes no more; the reason is {@link ClosedOutputError}, or StorageError for a
 * full disk. Commands that still work end then.
 */
export const outputLost: AbortSignal = lost.signal;

/** Keeps a failing stdout or stderr from ending the process; later writes go nowhere. */
export function watchOutput(): void {
  process.stdout.removeAllListeners("error");
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    const isClosed = error.code === "EPIPE";
    lost.abort(isClosed ? new ClosedOutputError("stdout is closed") : fromFsError(error, "stdout"));
  });
  process.stderr.removeAllListeners("error");
  // There is no third place to say so.
  process.stderr.on("error", () => {});
}

/** Resolves when everything printed so far has been taken, or never will be. */
export async function flushOutput(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => {
      stream.write("", () => resolve());
    });
  }
}

/** Prints text, much of it too: resolves when stdout has room again, or is lost. */
export async function writeOutput(text: string): Promise<void> {
  if (outputLost.aborted || process.stdout.write(text)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      process.stdout.off("drain", done);
      outputLost.removeEventListener("abort", done);
      resolve();
    };
    process.stdout.once("drain", done);
    outputLost.addEventListener("abort", done, { once: true });
  });
}
