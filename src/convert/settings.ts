import os from "node:os";
import { isScdlDType, type ScdlDType } from "../../formats/common/dtype.ts";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { type ConvertOptions, DEFAULT_MEMORY_BUDGET_BYTES } from "./options.ts";

export interface Settings {
  readonly dataDtype: ScdlDType;
  readonly tolerance: number;
  readonly workers: number;
  /** Elements decoded at a time by one thread. */
  readonly taskElements: number;
  /** Bytes of one block of a streamed matrix. */
  readonly blockBytes: number;
}

/** Source, raw and target of one element, each up to 8 bytes. */
const BYTES_PER_TASK_ELEMENT = 24;
const MOST_WORKERS = 8;

/** Checks the options that need no file. @throws InvalidArgumentError */
export function settingsOf(options: ConvertOptions): Settings {
  if (typeof options.output !== "string") {
    throw new InvalidArgumentError("output", options.output, "expected the directory to create");
  }
  const dataDtype = options.dataDtype ?? "float32";
  if (!isScdlDType(dataDtype)) {
    throw new InvalidArgumentError("dataDtype", dataDtype, `no such data type: ${dataDtype}`);
  }
  const tolerance = options.dataDtypeTolerance ?? 0;
  if (!(tolerance >= 0)) {
    throw new InvalidArgumentError(
      "dataDtypeTolerance",
      tolerance,
      `the tolerance must be 0 or more, found ${tolerance}`,
    );
  }
  const workers = options.workers ?? Math.min(os.availableParallelism(), MOST_WORKERS);
  if (!Number.isInteger(workers) || workers < 0 || workers > 256) {
    throw new InvalidArgumentError(
      "workers",
      workers,
      `expected 0 to 256 workers, found ${workers}`,
    );
  }
  const budget = options.memoryBudgetBytes ?? DEFAULT_MEMORY_BUDGET_BYTES;
  if (!(budget >= 2 ** 20)) {
    throw new InvalidArgumentError(
      "memoryBudgetBytes",
      budget,
      `the memory budget must be 1 MiB or more, found ${budget} bytes`,
      { suggestions: ["--memory-budget 192MiB, the default"] },
    );
  }
  const perThread = budget / (Math.max(1, workers) + 1);
  const taskElements = Math.floor(perThread / BYTES_PER_TASK_ELEMENT);
  return {
    dataDtype,
    tolerance,
    workers,
    taskElements: Math.min(1 << 20, Math.max(1 << 12, taskElements)),
    blockBytes: Math.min(32 << 20, Math.max(1 << 18, Math.floor(perThread / 4))),
  };
}
