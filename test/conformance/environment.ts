/**
 * The Python that conformance compares with: a virtual environment made from `requirements.lock`,
 * kept outside the repository under a name made from the lock's hash and reused while it is the same.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runProcess } from "../helpers/run-process.ts";

const LOCK = fileURLToPath(new URL("./requirements.lock", import.meta.url));
const CANDIDATES = ["python3", "python3.13", "python3.12", "python3.11"];

export type PythonEnvironment =
  | { readonly python: string; readonly note: string }
  | { readonly missing: string };

/** Finds or makes the environment; says why not when this machine cannot have it. */
export async function preparePython(say: (line: string) => void): Promise<PythonEnvironment> {
  const base = await findPython();
  if (base === null) return { missing: "no Python 3.11 to 3.13 on the path" };
  const hash = createHash("sha256")
    .update(readFileSync(LOCK))
    .update(base.version)
    .digest("hex")
    .slice(0, 16);
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const folder = join(cache, "scdl", `conformance-${hash}`);
  const python = join(folder, "bin", "python");
  const note = `Python ${base.version} in ${folder}`;
  if (existsSync(join(folder, "complete"))) return { python, note };

  say(`making ${folder}: about 2.6 GB to download, 4.5 GB on disk (torch is built for CUDA)`);
  const problem = await install(base.file, folder);
  return problem === null ? { python, note } : { missing: problem };
}

async function install(basePython: string, folder: string): Promise<string | null> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, ".."), { recursive: true });
  const made = await attempt(basePython, ["-m", "venv", folder]);
  if (made !== null) return `python -m venv failed: ${made}`;
  const python = join(folder, "bin", "python");
  const pip = ["-m", "pip", "--disable-pip-version-check", "--no-input"];
  const installed = await attempt(python, [
    ...pip,
    ...["install", "--quiet", "--no-deps", "--no-cache-dir", "--only-binary=:all:"],
    ...["--retries", "2", "--requirement", LOCK],
  ]);
  if (installed !== null) {
    rmSync(folder, { recursive: true, force: true });
    return `pip could not install requirements.lock: ${installed}`;
  }
  const imported = await attempt(python, [
    "-c",
    "import bionemo.scdl.io.single_cell_memmap_dataset",
  ]);
  if (imported !== null) return `bionemo-scdl does not import: ${imported}`;
  writeFileSync(join(folder, "complete"), ""); // an unfinished environment is never taken for one
  return null;
}

async function findPython(): Promise<{ file: string; version: string } | null> {
  const script = "import sys, venv, ensurepip; print('%d.%d.%d' % sys.version_info[:3])";
  for (const file of CANDIDATES) {
    const result = await runProcess(file, ["-c", script]).catch(() => null);
    const version = result?.code === 0 ? result.stdout.trim() : "";
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (major === 3 && minor >= 11 && minor <= 13) return { file, version };
  }
  return null;
}

/** null when the program succeeded, else the last line it wrote. */
async function attempt(file: string, args: readonly string[]): Promise<string | null> {
  try {
    const { code, stdout, stderr } = await runProcess(file, args);
    if (code === 0) return null;
    const lines = `${stdout}\n${stderr}`.trim().split("\n");
    return lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? `exit code ${code}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
