import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fromFsError, StorageError } from "../../formats/common/errors.ts";
import { syncDirectory } from "../../formats/common/sync-directory.ts";
import {
  createTemporary,
  outputTarget,
  sweepLeftovers,
} from "../../formats/scdl/directory-swap.ts";

export interface PendingFileOptions {
  /** Replace an existing file. Default false. */
  readonly overwrite?: boolean;
}

/** A file that is written beside its place and appears there complete, by one rename, or never. */
export class PendingFile {
  /** Where to write it. */
  readonly path: string;
  readonly output: string;
  readonly #directory: string;
  readonly #overwrite: boolean;

  /** @throws StorageError when `output` exists and may not be replaced */
  constructor(output: string, options: PendingFileOptions = {}) {
    this.output = output;
    this.#overwrite = options.overwrite ?? false;
    checkFileOutput(output, this.#overwrite);
    sweepLeftovers(output, () => {});
    this.#directory = createTemporary(output);
    this.path = join(this.#directory, basename(output));
  }

  /** Puts the file, which the caller has flushed and closed, in its place. */
  commit(): void {
    const target = outputTarget(this.output);
    try {
      checkFileOutput(this.output, this.#overwrite);
      renameSync(this.path, target);
      syncDirectory(dirname(target));
    } catch (error) {
      throw fromFsError(error, this.output);
    } finally {
      this.abort();
    }
  }

  /** Removes what was written. Does nothing after {@link commit}. */
  abort(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** @throws StorageError when the path exists and may not be replaced by a file */
export function checkFileOutput(output: string, overwrite: boolean): void {
  if (!existsSync(output)) return;
  const isFile = statSync(output).isFile();
  if (isFile && overwrite) return;
  throw new StorageError("already-exists", isFile ? "already exists" : "is not a file", {
    path: output,
    suggestions: [
      isFile ? "choose another name, or ask to overwrite (--overwrite)" : "choose another name",
    ],
  });
}
