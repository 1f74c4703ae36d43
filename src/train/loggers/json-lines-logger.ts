import { LogFile, linesOf } from "./log-file.ts";
import type { LogFileOptions, Logger, Scalars } from "./logger.ts";

/**
 * One JSON object a line: `{"step":10,"reduced_train_loss":2.31,"lr":0.0001}`. JSON has no NaN and no
 * infinity: they are null.
 */
export class JsonLinesLogger implements Logger {
  readonly #file: LogFile;

  /** @throws StorageError */
  constructor(path: string, options: LogFileOptions = {}) {
    const fromStep = options.fromStep ?? 0;
    const kept = fromStep === 0 ? [] : linesOf(path).filter((line) => stepOf(line) < fromStep);
    this.#file = new LogFile(path, kept);
  }

  log(step: number, scalars: Scalars): void {
    this.#file.append(JSON.stringify({ step, ...scalars }));
  }

  close(): void {
    this.#file.close();
  }
}

/** A line that is no record of ours is dropped: it cannot be placed. */
function stepOf(line: string): number {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && "step" in value) return Number(value.step);
  } catch {
    // not JSON
  }
  return Number.POSITIVE_INFINITY;
}
