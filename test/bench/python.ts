/** The Python with bionemo-scdl: SCDL_PYTHON, or what `npm run conformance` has made before. */
import fs from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import type { Program } from "./measure.ts";

export function findPython(): string | null {
  const named = process.env["SCDL_PYTHON"];
  if (named !== undefined) return fs.existsSync(named) ? named : null;
  const cache = path.join(process.env["XDG_CACHE_HOME"] || path.join(homedir(), ".cache"), "scdl");
  if (!fs.existsSync(cache)) return null;
  const made = fs
    .readdirSync(cache)
    .filter((name) => name.startsWith("conformance-"))
    .map((name) => path.join(cache, name))
    .filter((folder) => fs.existsSync(path.join(folder, "complete")));
  return made[0] === undefined ? null : path.join(made[0], "bin", "python");
}

/** A script with its arguments, or what is missing to run it. */
export function pythonProgram(name: string, script: string, ...args: string[]): Program {
  const python = findPython();
  return python === null
    ? { name, command: null, note: "no Python with bionemo-scdl" }
    : { name, command: [python, script, ...args] };
}
