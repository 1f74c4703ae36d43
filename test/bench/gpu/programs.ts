/** Runs the programs of a part, ours and PyTorch's, each in a process of its own within its time. */
import { spawn } from "node:child_process";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";

/** The object that a program printed last, or `error`, or both. */
export type Printed = Readonly<Record<string, unknown>>;

export interface ProgramsOptions {
  /** A Python with torch and transformers. */
  readonly python: string;
  /** Of one program, where nothing else is said. */
  readonly limitMs: number;
  /** Of all together: what would begin later is not run. */
  readonly totalMs: number;
}

/** Most characters of a program's output that are kept. */
const MOST_TEXT = 4 << 20;
/** What says why a program failed, the first that is found. */
const REASONS = [/Exception in aoti_torch: (.*)/, /^((?:\w+\.)*\w*Error\b.*)/, /(.*Error.*)/];

export class Programs {
  readonly #options: ProgramsOptions;
  readonly #end: number;

  constructor(options: ProgramsOptions) {
    this.#options = options;
    this.#end = performance.now() + options.totalMs;
  }

  /** @param seconds its limit, if it has one of its own */
  ours(script: string, args: readonly string[], seconds?: number): Promise<Printed> {
    return this.#run(process.execPath, ["--no-warnings", here(script), ...args], seconds);
  }

  theirs(script: string, args: readonly string[], seconds?: number): Promise<Printed> {
    return this.#run(this.#options.python, [here(script), ...args], seconds);
  }

  get leftSeconds(): number {
    return Math.floor((this.#end - performance.now()) / 1000);
  }

  async #run(file: string, args: readonly string[], seconds?: number): Promise<Printed> {
    const left = this.#end - performance.now();
    if (left <= 2000) return { error: "not measured: no time left, see --total-limit" };
    const limitMs = Math.min(seconds === undefined ? this.#options.limitMs : seconds * 1000, left);
    const { status, stdout, stderr, ended } = await finished(file, args, limitMs);
    const last = lastObject(stdout);
    if (status === 0 && last !== null) return last;
    const name = `${file.split("/").at(-1)} ${args.map(baseName).slice(-8).join(" ")}`;
    // What it printed before it was stopped is a figure, too.
    return { ...last, error: `${name}: ${ended ?? reasonIn(stderr)}` };
  }
}

interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Why it ended, where it did not end by itself. */
  readonly ended: string | null;
}

/** In a group of its own: what a program has started is ended with it, and leaves no memory taken. */
function finished(file: string, args: readonly string[], limitMs: number): Promise<Finished> {
  const { promise, resolve } = Promise.withResolvers<Finished>();
  const child = spawn(file, args, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const texts = { stdout: "", stderr: "" };
  let ended: string | null = null;
  const kill = () => {
    try {
      // A program that hangs in a kernel does not heed a polite signal.
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  };
  const timer = setTimeout(() => {
    ended = `stopped after ${Math.round(limitMs / 1000)} s`;
    kill();
  }, limitMs);
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8");
    child[name].on("data", (text: string) => {
      texts[name] = (texts[name] + text).slice(-MOST_TEXT);
    });
  }
  child.on("error", (error) => {
    ended ??= error.message;
  });
  child.on("close", (status, signal) => {
    clearTimeout(timer);
    kill();
    if (signal !== null) ended ??= `ended by ${signal}`;
    resolve({ status, ...texts, ended });
  });
  return promise;
}

/** The line that says why, in one piece. */
function reasonIn(stderr: string): string {
  const lines = stderr.trim().split("\n");
  for (const pattern of REASONS) {
    const line = lines.findLast((each) => pattern.test(each));
    if (line !== undefined) return (pattern.exec(line)?.[1] ?? line).slice(0, 400);
  }
  return (lines.at(-1) ?? "").slice(0, 400);
}

/** A file of this folder, or one by its whole path. */
function here(name: string): string {
  return isAbsolute(name) ? name : fileURLToPath(new URL(name, import.meta.url));
}

function baseName(path: string): string {
  return path.split("/").at(-1) ?? path;
}

function lastObject(stdout: string): Printed | null {
  const line = stdout.split("\n").findLast((each) => each.startsWith("{") && each.endsWith("}"));
  return line === undefined ? null : JSON.parse(line);
}
