import { existsSync, readdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fromFsError, StorageError } from "../../formats/common/errors.ts";
import { makeDirectories } from "../../formats/common/make-directories.ts";
import { syncDirectory } from "../../formats/common/sync-directory.ts";
import { createTemporary, sweepLeftovers } from "../../formats/scdl/directory-swap.ts";

/** Every name that results have. */
const RESULTS =
  /^(predictions(__rank_\d+__dp_rank_\d+__batch_\d+)?(\.[a-z_]+)?\.(safetensors|parquet|npy)|predictions\.yaml|ids\.txt|labels\.json)$/;

/**
 * The folder of results. Files are written in a folder of their own inside it and moved out when all
 * are done, so that there are all or, but for a power failure among the moves, none.
 */
export class ResultFolder {
  readonly path: string;
  readonly #temporary: string;
  readonly #overwrite: boolean;
  /** Whether it was made for these results. */
  readonly #isNew: boolean;

  /** Makes the folder. @throws StorageError when results are there */
  constructor(path: string, overwrite: boolean) {
    this.path = path;
    this.#overwrite = overwrite;
    this.#isNew = !existsSync(path);
    try {
      makeDirectories(path);
    } catch (error) {
      throw fromFsError(error, path);
    }
    this.#earlier();
    const inside = join(path, "predictions");
    sweepLeftovers(inside, () => {});
    this.#temporary = createTemporary(inside);
  }

  /** Where to write a file. */
  file(name: string): string {
    return join(this.#temporary, name);
  }

  /** Puts the files in their place, and removes earlier results. @throws StorageError */
  commit(names: readonly string[]): void {
    try {
      for (const name of this.#earlier()) rmSync(join(this.path, name));
      for (const name of names) renameSync(this.file(name), join(this.path, name));
      syncDirectory(this.path);
    } catch (error) {
      throw fromFsError(error, this.path);
    } finally {
      this.abort();
    }
  }

  /** Removes what was written, and a new folder that is empty. Does nothing after {@link commit}. */
  abort(): void {
    rmSync(this.#temporary, { recursive: true, force: true });
    if (!this.#isNew) return;
    try {
      rmdirSync(this.path);
    } catch {
      // It holds results, or is gone.
    }
  }

  /** Results that are there and may be replaced. */
  #earlier(): readonly string[] {
    let found: string[];
    try {
      found = readdirSync(this.path).filter((name) => RESULTS.test(name));
    } catch (error) {
      throw fromFsError(error, this.path);
    }
    const [first] = found;
    if (first === undefined || this.#overwrite) return found;
    throw new StorageError("already-exists", "is there already", {
      path: join(this.path, first),
      suggestions: ["--overwrite", "another --results-path"],
    });
  }
}
