/** A process has one libtorch: a second one would be bound to the first one's libraries. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { IncompatibleError } from "../../../formats/common/errors.ts";

const LIBRARY = "libtorch_cpu.so";

/** The folder that this thread's executors have libtorch from, or are about to. */
let first: string | null = null;
let isLoaded = false;
let opening = 0;

/**
 * Does what loads the libtorch of a folder, unless the process has another one.
 *
 * @throws IncompatibleError that names both
 */
export async function withOneLibtorch<T>(directory: string, load: () => Promise<T>): Promise<T> {
  const own = realFolder(directory);
  const there = first ?? mappedLibtorch();
  if (there !== null && there !== own) throw anotherLoaded(directory, there);
  first = own;
  opening++;
  try {
    const made = await load();
    isLoaded = true;
    return made;
  } finally {
    opening--;
    // What did not load leaves room for another.
    if (!isLoaded && opening === 0) first = null;
  }
}

/** The folder of a libtorch that another thread, or another library, has loaded into this process. */
function mappedLibtorch(): string | null {
  try {
    return libtorchIn(readFileSync("/proc/self/maps", "utf8"));
  } catch {
    return null; // no such file system: what this thread loaded is known all the same
  }
}

/** @param maps as `/proc/PID/maps` has them */
export function libtorchIn(maps: string): string | null {
  for (const line of maps.split("\n")) {
    const path = line.slice(line.indexOf("/"));
    // A path that is not there is one of another root, or of a file that was replaced.
    if (path.endsWith(`/${LIBRARY}`) && existsSync(path)) return realFolder(dirname(path));
  }
  return null;
}

/** Folders may be links, and so may the library. */
function realFolder(directory: string): string {
  return dirname(realpathSync(join(directory, LIBRARY)));
}

function anotherLoaded(directory: string, there: string): IncompatibleError {
  const message = `${directory}: this process has the libtorch of ${there}, and can have one`;
  return new IncompatibleError("libtorch-loaded", message, {
    suggestions: [`use that of ${there}`, "use the other one in a process of its own"],
  });
}
