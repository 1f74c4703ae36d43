import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import { INSTALL_AGAIN, requireWholeLibraries } from "./whole-libraries.ts";

type Koffi = typeof import("koffi");
export type NativeLibrary = ReturnType<Koffi["load"]>;
export type NativeFunction = ReturnType<NativeLibrary["func"]>;

/** `dlopen`: at once, for all, and never taken out again, which libtorch's threads would not survive. */
const FLAGS = 0x2 | 0x100 | 0x1000;
const MISSING = /^([^:\s]+): cannot open shared object file/;

let loaded: Koffi | undefined;

/** @throws UnsupportedFeatureError where koffi has no binary for this platform */
export function loadKoffi(): Koffi {
  if (loaded !== undefined) return loaded;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi; // proof: its types
    // libtorch's operators expect the stack of a thread, not the megabyte that koffi gives a call.
    koffi.config({ sync_stack_size: 8 * 2 ** 20 });
    loaded = koffi;
    return koffi;
  } catch (error) {
    const place = `${process.platform}-${process.arch}`;
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    const message = `koffi does not load on ${place}: ${reason}`;
    throw new UnsupportedFeatureError("torch", message, { cause: error });
  }
}

/**
 * Loads libraries of a folder in the order given, for the whole process. What they need and the system
 * does not find is looked for beside them, as Python's packages place it: `nvidia/NAME/lib`.
 *
 * @throws FormatError for a library that is cut off, UnsupportedFeatureError with the loader's own words
 */
export function loadLibraries(directory: string, names: readonly string[]): NativeLibrary {
  const koffi = loadKoffi();
  const system = koffi.load(null);
  const dlopen = system.func("void *dlopen(const char *, int)");
  const dlerror = system.func("const char *dlerror()");
  const folders = neighbours(directory);
  // Not what else lies in the environment's own folder: the system's may come first.
  const packaged = folders.slice(0, -1);
  const open = (path: string, depth: number): void => {
    for (let attempt = 0; attempt < 64; attempt++) {
      if (dlopen(path, FLAGS) !== null) return;
      const reason = String(dlerror());
      const missing = MISSING.exec(reason)?.[1];
      const place = folders.find((folder) => existsSync(join(folder, missing ?? "")));
      if (missing === undefined || place === undefined || depth > 16) throw notLoaded(path, reason);
      requireWholeLibraries([join(place, missing)], packaged);
      open(join(place, missing), depth + 1);
    }
  };
  requireWholeLibraries(
    names.map((name) => join(directory, name)),
    packaged,
  );
  for (const name of names) open(join(directory, name), 0);
  return koffi.load(join(directory, names[0] ?? ""));
}

/** Whether the system's loader finds a library by its name. */
export function systemLibrary(name: string): NativeLibrary | null {
  try {
    return loadKoffi().load(name);
  } catch {
    return null;
  }
}

/** Folders of libraries that packages beside torch brought along. */
function neighbours(directory: string): readonly string[] {
  const packages = dirname(dirname(directory));
  const nvidia = join(packages, "nvidia");
  const names = existsSync(nvidia) ? readdirSync(nvidia).sort() : [];
  const prefix = dirname(dirname(dirname(packages)));
  return [
    directory,
    ...names.map((name) => join(nvidia, name, "lib")),
    join(packages, "torch.libs"),
    join(prefix, "lib"),
  ];
}

function notLoaded(path: string, reason: string): UnsupportedFeatureError {
  return new UnsupportedFeatureError("torch", `${path} does not load: ${reason}`, {
    suggestions: INSTALL_AGAIN,
  });
}
