import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const REPOSITORY_ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface ProcessResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Runs as another user; only root may. */
  readonly uid?: number;
  readonly gid?: number;
  /** Called with the child and everything it has written to stderr so far, at each chunk. */
  readonly onStderr?: (child: ChildProcess, stderr: string) => void;
  /** The same for stdout. */
  readonly onStdout?: (child: ChildProcess, stdout: string) => void;
}

/** Runs a program to its end, with stdin closed. Resolves whatever its exit code is. */
export function runProcess(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProcessResult> {
  const child = spawn(file, args, {
    cwd: options.cwd ?? REPOSITORY_ROOT,
    env: options.env ?? process.env,
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    options.onStdout?.(child, stdout);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    options.onStderr?.(child, stderr);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Runs the built command line; `npm test` builds before it tests. */
export function runScdl(args: readonly string[], options: RunOptions = {}): Promise<ProcessResult> {
  return runProcess(
    process.execPath,
    [fileURLToPath(new URL("../../dist/cli/run.js", import.meta.url)), ...args],
    options,
  );
}
