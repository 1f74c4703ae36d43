/** Libraries that were cut off, by a full disk or a download that ended: found before they are loaded. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { FormatError } from "../../../formats/common/errors.ts";
import { neededLibraries } from "../../../formats/elf/segments.ts";

/** What helps where libtorch, or what it needs, is damaged. */
export const INSTALL_AGAIN: readonly string[] = [
  "install PyTorch again with all it needs: pip install --force-reinstall torch",
  "use --device cpu, which needs none",
];

/**
 * Looks at libraries, and at all that they need and that lies in `folders`: what the system brings is
 * its own.
 *
 * @param paths of the first ones
 * @throws FormatError that names the first damaged one
 */
export function requireWholeLibraries(paths: readonly string[], folders: readonly string[]): void {
  const seen = new Set<string>();
  const left = paths.filter((path) => existsSync(path));
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    for (const name of withAdvice(() => neededLibraries(path as string))) {
      const found = folders.map((folder) => join(folder, name)).find((place) => existsSync(place));
      if (found !== undefined) left.push(found);
    }
  }
}

/** Runs what reads a library: an error says what to do about the library, not about files in general. */
export function withAdvice<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormatError) || error.suggestions.length > 0) throw error;
    const { code, path, message } = error;
    const text = message.slice(path.length + 2);
    throw new FormatError(code, text, { path, suggestions: INSTALL_AGAIN, cause: error });
  }
}
