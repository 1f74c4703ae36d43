import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Where processes can be told from zombies. */
export const hasProc = existsSync("/proc/self/stat");

/** A child of a process that never waits for it. */
export interface UnreapedChild extends AsyncDisposable {
  readonly pid: number;
  /** Kills it; it stays as a zombie until this is disposed of. */
  kill(): Promise<void>;
}

/** @param script what the child runs, in sh */
export async function unreapedChild(script = "exec sleep 60"): Promise<UnreapedChild> {
  // The shell becomes a program that does not know of the child.
  const parent: ChildProcess & { stdout: NodeJS.ReadableStream } = spawn(
    "sh",
    ["-c", '(eval "$1") & echo $!; exec sleep 60', "sh", script],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const [text] = await once(parent.stdout, "data");
  const pid = Number(String(text));
  // Until then it is the shell, which waits for a child that ends.
  while (readFileSync(`/proc/${parent.pid}/comm`, "utf8") !== "sleep\n") await sleep(5);
  return {
    pid,
    async kill() {
      process.kill(pid, "SIGKILL");
      while (stateOf(pid) !== "Z") await sleep(5);
    },
    async [Symbol.asyncDispose]() {
      parent.kill("SIGKILL");
      await once(parent, "exit");
    },
  };
}

/** The letter after the name, which may have brackets itself. */
function stateOf(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat[stat.lastIndexOf(")") + 2];
}
