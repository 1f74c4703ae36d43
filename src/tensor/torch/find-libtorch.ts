import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import {
  IncompatibleError,
  NotFoundError,
  UnsupportedFeatureError,
} from "../../../formats/common/errors.ts";

/** libtorch as it lies on disk; nothing of it is loaded yet. */
export interface FoundLibtorch {
  /** The folder with `libtorch_cpu.so`. */
  readonly directory: string;
  /** What led to it: an option, a variable, a program. */
  readonly source: string;
  /** Of PyTorch, e.g. "2.11.0+cu130"; "unknown" where no file says it. */
  readonly version: string;
  /** Whether it was built for CUDA. */
  readonly cuda: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

const LIBRARY = "libtorch_cpu.so";
const OLDEST = [2, 10] as const;
/** Commands without `--libtorch` take the variable. */
const NAME_ONE =
  "or name the folder of one: LIBTORCH=DIR in the environment, --libtorch DIR of commands that train or infer";
const INSTALL = "install PyTorch: pip install torch";
const LOOKUP = `import importlib.util as u; s = u.find_spec("torch"); print(s.origin if s else "")`;

/**
 * Finds the libtorch of a PyTorch that is there: in the folder given, in that of the variable
 * LIBTORCH, in the active virtual or conda environment, last in what `python3` imports.
 *
 * @param given a folder of PyTorch: its `lib`, the package, an environment, or an unpacked libtorch
 * @throws NotFoundError where there is none, IncompatibleError for one before 2.10,
 *   UnsupportedFeatureError on systems other than Linux
 */
export function findLibtorch(
  given?: string,
  environment: Environment = process.env,
): FoundLibtorch {
  if (process.platform !== "linux") {
    const message = `the executor torch runs on Linux, this is ${process.platform}`;
    throw new UnsupportedFeatureError("torch", message, { suggestions: ["use --device cpu"] });
  }
  const named = [
    ["--libtorch", given],
    ["LIBTORCH", environment["LIBTORCH"]],
  ] as const;
  for (const [source, folder] of named) {
    if (folder === undefined || folder === "") continue;
    const directory = libraryFolder(folder);
    if (directory !== null) return checked(directory, source);
    const why = existsSync(folder) ? `no ${LIBRARY} in it` : "there is no such folder";
    throw new NotFoundError("libtorch-missing", `${source} ${folder}: ${why}`, {
      what: folder,
      suggestions: ["name the folder of PyTorch, e.g. .../site-packages/torch"],
    });
  }
  for (const source of ["VIRTUAL_ENV", "CONDA_PREFIX"]) {
    const prefix = environment[source];
    const directory = prefix === undefined || prefix === "" ? null : libraryFolder(prefix);
    if (directory !== null) return checked(directory, source);
  }
  const imported = askPython(environment);
  const directory = imported === null ? null : libraryFolder(imported);
  if (directory !== null) return checked(directory, "python3");
  throw new NotFoundError(
    "libtorch-missing",
    "no libtorch: not in LIBTORCH, VIRTUAL_ENV, CONDA_PREFIX, nor does python3 import torch",
    {
      what: "libtorch",
      suggestions: [INSTALL, NAME_ONE],
    },
  );
}

/** Where `libtorch_cpu.so` lies under a folder, or null. */
function libraryFolder(folder: string): string | null {
  const root = resolve(folder);
  const places = [root, join(root, "lib"), join(root, "torch", "lib")];
  for (const name of entriesOf(join(root, "lib"))) {
    if (name.startsWith("python3")) {
      places.push(join(root, "lib", name, "site-packages", "torch", "lib"));
    }
  }
  return places.find((place) => existsSync(join(place, LIBRARY))) ?? null;
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** The folder of the package torch as python3 would import it, which is not done. */
function askPython(environment: Environment): string | null {
  try {
    const origin = execFileSync("python3", ["-c", LOOKUP], {
      encoding: "utf8",
      env: { ...environment },
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 20_000,
    }).trim();
    return origin === "" ? null : dirname(origin);
  } catch {
    return null;
  }
}

function checked(directory: string, source: string): FoundLibtorch {
  const version = versionOf(directory);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const old = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  if (version !== "unknown" && old) {
    throw tooOld(directory, version);
  }
  return { directory, source, version, cuda: existsSync(join(directory, "libtorch_cuda.so")) };
}

export function tooOld(directory: string, version: string): IncompatibleError {
  const message = `${directory}: expected PyTorch ${OLDEST.join(".")} or newer, found ${version}`;
  return new IncompatibleError("libtorch-too-old", message, {
    suggestions: ["install a newer one: pip install --upgrade torch", NAME_ONE],
  });
}

/** `version.py` of the package, `build-version` of an unpacked libtorch. */
function versionOf(directory: string): string {
  const parent = basename(directory) === "lib" ? dirname(directory) : directory;
  const [, fromPython] =
    /__version__ = ['"]([^'"]+)['"]/.exec(textOf(join(parent, "version.py"))) ?? [];
  const fromBuild = textOf(join(parent, "build-version")).trim();
  return fromPython ?? (fromBuild === "" ? "unknown" : fromBuild);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
