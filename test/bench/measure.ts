/** Runs programs side by side and keeps what they took. */
import { spawn } from "node:child_process";
import fs from "node:fs";

/** One program of a comparison. */
export interface Program {
  readonly name: string;
  /** Null when it cannot run here. */
  readonly command: readonly string[] | null;
  readonly note?: string;
}

/** One line of the table. */
export interface Row {
  readonly work: string;
  readonly program: string;
  /** Of all runs, in seconds; empty when it was not measured. */
  readonly seconds: readonly number[];
  /** Rows, calls or values of one run; 1 when the run itself is what is counted. */
  readonly amount: number;
  /** What `amount` counts. */
  readonly unit: string;
  /** Largest of all runs, in MiB. */
  readonly peakMiB: number | null;
  readonly note: string;
  /** Equal for programs that read the same; null when nothing was compared. */
  readonly check: number | null;
}

/** What a measured program prints as its last line. */
export interface Printed {
  readonly seconds: readonly number[];
  readonly check?: number;
  readonly rssMiB?: number;
  /** Seconds of what a run consists of, by name. */
  readonly parts?: Readonly<Record<string, number>>;
}

export interface Finished {
  /** Of the whole process, start included. */
  readonly seconds: number;
  readonly stdout: string;
  /** The last line of stderr when it failed, else null. */
  readonly failure: string | null;
  readonly memory: ProcessMemory | null;
}

/** Largest memory of a process and its descendants, in MiB. Linux only. */
export interface ProcessMemory {
  /** Resident, mapped files included. */
  readonly peakMiB: number;
  /** Resident without files: what the system cannot take back. */
  readonly anonymousMiB: number;
}

const SAMPLE_MS = 20;

/** Runs a command to its end; with `watchMemory` its memory is looked at every 20 ms. */
export async function finish(
  command: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly watchMemory?: boolean } = {},
): Promise<Finished> {
  const [file = "", ...args] = command;
  const start = process.hrtime.bigint();
  const child = spawn(file, args, {
    env: options.env ?? process.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const watch = new MemoryWatch(child.pid ?? 0);
  const timer = options.watchMemory === true ? setInterval(() => watch.look(), SAMPLE_MS) : null;
  const code = await new Promise<number | null>((resolve) => {
    child.on("error", (error) => {
      stderr += error.message;
    });
    child.on("close", resolve);
  });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (timer !== null) clearInterval(timer);
  const failure =
    code === 0 ? null : (stderr.trim().split("\n").at(-1) ?? "") || `exit code ${code}`;
  return { seconds, stdout, failure, memory: watch.memory };
}

/** The object that a program printed last. */
export function printed(finished: Finished): Printed | null {
  const last = finished.stdout.trim().split("\n").at(-1) ?? "";
  // The programs of this folder print this object.
  return last.startsWith("{") ? (JSON.parse(last) as Printed) : null;
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The rows of one program over several rounds as one, in the order of first appearance. */
export function joinRounds(rows: readonly Row[]): Row[] {
  const joined = new Map<string, Row>();
  for (const row of rows) {
    const key = `${row.work}\n${row.program}`;
    const known = joined.get(key);
    if (known === undefined) joined.set(key, row);
    else {
      joined.set(key, {
        ...row,
        seconds: [...known.seconds, ...row.seconds],
        peakMiB: row.peakMiB === null ? known.peakMiB : Math.max(row.peakMiB, known.peakMiB ?? 0),
        note: known.note,
      });
    }
  }
  return [...joined.values()];
}

class MemoryWatch {
  readonly #root: number;
  #peakKiB = 0;
  #anonymousKiB = 0;

  constructor(root: number) {
    this.#root = root;
  }

  get memory(): ProcessMemory | null {
    if (this.#peakKiB === 0) return null;
    return { peakMiB: this.#peakKiB / 1024, anonymousMiB: this.#anonymousKiB / 1024 };
  }

  look(): void {
    const all = family(this.#root).map(status);
    const sum = (name: keyof Status) => all.reduce((total, one) => total + one[name], 0);
    // What one process had between two looks is in its VmHWM; several have their peaks apart.
    const most = all.reduce((largest, one) => Math.max(largest, one.VmHWM), 0);
    this.#peakKiB = Math.max(this.#peakKiB, most, sum("VmRSS"));
    this.#anonymousKiB = Math.max(this.#anonymousKiB, sum("RssAnon"));
  }
}

function family(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean);
  return [pid, ...children.flatMap((child) => family(Number(child)))];
}

type Status = Record<"VmHWM" | "VmRSS" | "RssAnon", number>;

function status(pid: number): Status {
  const text = read(`/proc/${pid}/status`);
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
  return { VmHWM: kib("VmHWM"), VmRSS: kib("VmRSS"), RssAnon: kib("RssAnon") };
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
