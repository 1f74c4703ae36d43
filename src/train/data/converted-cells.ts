import { existsSync, readFileSync, rmdirSync, rmSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fromFsError, IncompatibleError } from "../../../formats/common/errors.ts";
import { makeDirectories } from "../../../formats/common/make-directories.ts";
import { writeSmallFile } from "../../../formats/common/output-file.ts";
import type { ConvertProgress } from "../../convert/options.ts";

/** Files of less in all are converted sooner than threads have started. */
const BYTES_FOR_THREADS = 16 * 2 ** 20;

export interface ConvertedCellsOptions {
  /** Which matrix: `raw` (default), `X` or `layers/NAME`. */
  readonly matrix?: string | undefined;
  /** Files that changed are an error and not converted anew. */
  readonly isResumed: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ConvertProgress) => void) | undefined;
}

/**
 * AnnData or 10x files as one SCDL data set at `target`, where training can read any cell. It is made
 * once: `TARGET.json` names the files by length and time, and the data set of the same files is taken
 * as it is.
 * @throws as `convertH5ad`; IncompatibleError "input-changed" when a run to go on with had other files
 */
export async function convertedCells(
  files: readonly string[],
  target: string,
  options: ConvertedCellsOptions,
): Promise<string> {
  const { matrix = "raw", isResumed, signal, onProgress } = options;
  const record = `${target}.json`;
  const states = files.map(fileState);
  const wanted = `${JSON.stringify({ matrix, files: states }, null, 2)}\n`;
  const found = existsSync(record) ? readFileSync(record, "utf8") : null;
  if (found === wanted && existsSync(target)) return target;
  if (found !== null && isResumed) {
    throw new IncompatibleError(
      "input-changed",
      `${files.join(", ")}: not the files that the run began with, which ${record} names`,
      {
        suggestions: [
          "begin another run: --experiment-name",
          `delete ${record} to convert them again, if only their times changed`,
        ],
      },
    );
  }
  const bytes = states.reduce((sum, state) => sum + state.bytes, 0);
  const { convertH5ad } = await import("../../convert/convert-h5ad.ts");
  rmSync(record, { force: true });
  const folder = dirname(target);
  try {
    makeDirectories(folder);
  } catch (error) {
    throw fromFsError(error, folder);
  }
  try {
    await convertH5ad({
      inputs: files,
      output: target,
      matrix,
      overwrite: existsSync(target),
      ...(bytes < BYTES_FOR_THREADS ? { workers: 0 } : {}),
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    });
  } catch (error) {
    removeEmpty(folder, dirname(folder));
    throw error;
  }
  writeSmallFile(record, Buffer.from(wanted));
  return target;
}

/** Folders that a conversion which failed leaves empty. */
function removeEmpty(...folders: readonly string[]): void {
  try {
    for (const folder of folders) rmdirSync(folder);
  } catch {
    // One that holds something stays.
  }
}

function fileState(path: string) {
  try {
    const { size, mtimeMs } = statSync(path);
    return { path: resolve(path), bytes: size, mtimeMs };
  } catch (error) {
    throw fromFsError(error, path);
  }
}
