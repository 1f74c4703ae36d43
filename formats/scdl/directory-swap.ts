/**
 * Temporary directories beside an output, and putting one in the output's place so that a crash at
 * any moment leaves the old data set, the new one, or none: never a mixture.
 */
import crypto from "node:crypto";
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fromFsError, InvalidArgumentError, StorageError } from "../common/errors.ts";
import { makeDirectories } from "../common/make-directories.ts";
import { isRunning, thisProcess } from "../common/process-owner.ts";
import { syncDirectory } from "../common/sync-directory.ts";
import { HEADER_FILE } from "./header.ts";
import {
  ARRAY_FILES,
  CHECKSUM_FILE,
  LEGACY_VAR_DIRECTORY,
  METADATA_FILE,
  OBS_DIRECTORY,
  parseTemporaryName,
  temporaryName,
  VAR_DIRECTORY,
  VERSION_FILE,
} from "./layout.ts";

const OWNER_FILE = ".incomplete.json";
const KNOWN_NAMES: ReadonlySet<string> = new Set([
  ...Object.values(ARRAY_FILES),
  HEADER_FILE,
  METADATA_FILE,
  VERSION_FILE,
  CHECKSUM_FILE,
  VAR_DIRECTORY,
  OBS_DIRECTORY,
  LEGACY_VAR_DIRECTORY,
]);

/**
 * The absolute path that an output stands for. A symbolic link stands for what it leads to: that is
 * replaced, on its own file system, and the link stays.
 *
 * @throws StorageError for a link that leads nowhere
 */
export function outputTarget(output: string): string {
  const target = resolve(output);
  try {
    if (lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return target;
    if (existsSync(target)) return realpathSync(target);
    const to = readlinkSync(target);
    throw new StorageError("already-exists", `is a symbolic link to ${to}, which does not exist`, {
      path: output,
      suggestions: ["make the folder it leads to and overwrite that, or remove the link"],
    });
  } catch (error) {
    throw fromFsError(error, output);
  }
}

/** Makes an empty temporary directory beside `output`, marked as belonging to this process. */
export function createTemporary(output: string): string {
  const target = outputTarget(output);
  if (basename(target) === "") {
    throw new InvalidArgumentError("output", output, `${output}: not a directory that can be made`);
  }
  const directory = sibling(target, "tmp");
  try {
    makeDirectories(directory);
  } catch (error) {
    throw fromFsError(error, output);
  }
  try {
    writeFileSync(join(directory, OWNER_FILE), JSON.stringify(thisProcess()));
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw fromFsError(error, output);
  }
  return directory;
}

function sibling(target: string, kind: "tmp" | "old"): string {
  const random = crypto.randomBytes(4).toString("hex");
  return join(dirname(target), temporaryName(basename(target), kind, process.pid, random));
}

/**
 * Checks that `output` may be written: absent, or replaceable because `overwrite` was asked for and
 * it is an empty directory or a data set with nothing else in it. `known` are the names in one.
 */
export function checkOutput(
  output: string,
  overwrite: boolean,
  known: Pick<ReadonlySet<string>, "has"> = KNOWN_NAMES,
): void {
  if (!existsSync(output)) return;
  const refuse = (message: string, suggestion: string): never => {
    throw new StorageError("already-exists", message, { path: output, suggestions: [suggestion] });
  };
  if (!overwrite)
    refuse("already exists", "choose another name, or ask to overwrite (--overwrite)");
  if (!statSync(output).isDirectory()) refuse("is a file, not a data set", "choose another name");
  const names = namesIn(output);
  const foreign = names.filter((name) => !known.has(name));
  if (foreign.length > 0) {
    refuse(
      `holds files that are not part of a data set (${foreign.slice(0, 3).join(", ")}), will not be replaced`,
      "move them elsewhere, or choose another name",
    );
  }
}

/**
 * Deals with what processes that died while writing `output` left behind: unfinished directories
 * are removed, and a data set that was moved away but not yet replaced is put back.
 */
export function sweepLeftovers(output: string, onWarning: (message: string) => void): void {
  const target = outputTarget(output);
  const parent = dirname(target);
  if (!existsSync(parent)) return;
  for (const name of namesIn(parent)) {
    const parsed = parseTemporaryName(name);
    if (parsed?.base !== basename(target)) continue;
    const path = join(parent, name);
    if (isOwned(path, parsed.pid)) continue;
    if (parsed.kind === "old" && !existsSync(target)) {
      renameSync(path, target);
      onWarning(`${target}: put back the data set that an interrupted run had moved to ${name}`);
    } else {
      rmSync(path, { recursive: true, force: true });
      onWarning(`${path}: removed what an interrupted run had left`);
    }
  }
}

/** Entries of a directory. @throws NotFoundError, StorageError */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    throw fromFsError(error, directory);
  }
}

/** Whether a living process, or one on a machine that cannot be asked, still writes there. */
function isOwned(directory: string, pid: number): boolean {
  let owner: { host?: unknown; started?: unknown } = {};
  try {
    owner = JSON.parse(readFileSync(join(directory, OWNER_FILE), "utf8"));
  } catch {
    // Written before the mark or removed after it: the name says which process.
  }
  if (typeof owner.host === "string" && owner.host !== hostname()) return true;
  return isRunning(pid, owner.started);
}

/** Puts the finished temporary directory in the output's place. */
export function moveIntoPlace(temporary: string, output: string, overwrite: boolean): void {
  const target = outputTarget(output);
  checkOutput(target, overwrite);
  replaceDirectory(temporary, target);
}

/**
 * The same without looking at what is replaced.
 * @param target what {@link outputTarget} gave
 */
export function replaceDirectory(temporary: string, target: string): void {
  try {
    rmSync(join(temporary, OWNER_FILE), { force: true });
    syncDirectory(temporary);
    if (!existsSync(target)) {
      renameSync(temporary, target);
    } else if (exchange(temporary, target)) {
      rmSync(temporary, { recursive: true, force: true });
    } else {
      const old = sibling(target, "old");
      renameSync(target, old);
      renameSync(temporary, target);
      rmSync(old, { recursive: true, force: true });
    }
    syncDirectory(dirname(target));
  } catch (error) {
    throw fromFsError(error, target);
  }
}

/** Linux's renameat2 with RENAME_EXCHANGE; false where it is not to be had. */
function exchange(a: string, b: string): boolean {
  if (process.platform !== "linux") return false;
  try {
    const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
    const signature = "int renameat2(int, const char *, int, const char *, unsigned int)";
    const renameat2 = koffi.load(null).func(signature);
    const currentDirectory = -100;
    const exchangeFlag = 2;
    return renameat2(currentDirectory, a, currentDirectory, b, exchangeFlag) === 0;
  } catch {
    return false;
  }
}
