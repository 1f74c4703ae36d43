/** Runs the programs of a part, ours and PyTorch's, within the time that is left. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The object that a program printed last, or `error`. */
export type Printed = Readonly<Record<string, unknown>>;

export interface ProgramsOptions {
  /** A Python with torch and transformers. */
  readonly python: string;
  /** Of one program. */
  readonly limitMs: number;
  /** Of all together: what would begin later is not run. */
  readonly totalMs: number;
}

export class Programs {
  readonly #options: ProgramsOptions;
  readonly #end: number;

  constructor(options: ProgramsOptions) {
    this.#options = options;
    this.#end = performance.now() + options.totalMs;
  }

  ours(script: string, ...args: string[]): Printed {
    return this.#finish(process.execPath, ["--no-warnings", here(script), ...args]);
  }

  theirs(script: string, ...args: string[]): Printed {
    return this.#finish(this.#options.python, [here(script), ...args]);
  }

  #finish(file: string, args: readonly string[]): Printed {
    const left = Math.floor(this.#end - performance.now());
    if (left <= 1000) return { error: "not measured: no time left, see --total-limit" };
    const timeout = Math.min(this.#options.limitMs, left);
    const { status, stdout, stderr, error } = spawnSync(file, args, {
      encoding: "utf8",
      timeout,
      // A program that hangs in a kernel does not heed a polite signal.
      killSignal: "SIGKILL",
    });
    const last = lastObject(stdout ?? "");
    if (status === 0 && last !== null) return last;
    const lines = (stderr ?? "").trim().split("\n");
    const reason = error?.message ?? lines.findLast((line) => /Error/.test(line)) ?? lines.at(-1);
    // What it printed before it was stopped is a figure, too.
    return { ...last, error: `${file.split("/").at(-1)} ${args.slice(-7).join(" ")}: ${reason}` };
  }
}

function here(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

function lastObject(stdout: string): Printed | null {
  const line = stdout.split("\n").findLast((each) => each.startsWith("{") && each.endsWith("}"));
  return line === undefined ? null : JSON.parse(line);
}
