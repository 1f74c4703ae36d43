import { randomBytes } from "node:crypto";
import { existsSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fromFsError, StorageError } from "./errors.ts";
import { type FileDigest, OutputFile } from "./output-file.ts";
import { syncDirectory } from "./sync-directory.ts";

export interface AtomicOptions {
  /** Replace an existing file. Default false: it is an error. */
  readonly overwrite?: boolean;
}

/**
 * Writes a file beside `path`, flushes it, and renames: the file at `path` is the old one, the new
 * one or none, also after a crash or a full disk.
 *
 * @throws StorageError, and what `write` throws
 */
export function writeAtomically(
  path: string,
  write: (file: OutputFile) => void,
  options: AtomicOptions = {},
): FileDigest {
  if (options.overwrite !== true && existsSync(path)) {
    throw new StorageError("already-exists", "already exists", {
      path,
      suggestions: ["choose another name, or ask to overwrite"],
    });
  }
  const random = randomBytes(4).toString("hex");
  const temporary = join(dirname(path), `.${basename(path)}.tmp-${process.pid}-${random}`);
  const file = OutputFile.create(temporary, path);
  try {
    write(file);
    const digest = file.finish();
    renameSync(temporary, path);
    syncDirectory(dirname(path));
    return digest;
  } catch (error) {
    file.close();
    rmSync(temporary, { force: true });
    throw fromFsError(error, path);
  }
}
