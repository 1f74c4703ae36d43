import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory and those above it that are missing; one that is there stays.
 *
 * Node's own recursive mkdir never ends where a parent exists and nothing can be made in it, as
 * below /proc.
 * @throws the errors of `node:fs`
 */
export function makeDirectories(directory: string): void {
  const missing: string[] = [];
  for (let path = directory; ; path = dirname(path)) {
    const code = makeOne(path);
    if (code === null) break;
    if (code !== "ENOENT" || dirname(path) === path) mkdirSync(path);
    missing.push(path);
  }
  for (const path of missing.reverse()) if (makeOne(path) !== null) mkdirSync(path);
}

/** null when the directory is there now, else the code of the error. */
function makeOne(path: string): string | null {
  try {
    mkdirSync(path);
    return null;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return code === "EEXIST" && isDirectory(path) ? null : code;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
