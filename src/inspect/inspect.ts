import { stat } from "node:fs/promises";
import { fromFsError } from "../../formats/common/errors.ts";
import { inspectH5ad } from "./inspect-h5ad.ts";
import { inspectScdl } from "./inspect-scdl.ts";
import type { InspectReport } from "./report.ts";

export interface InspectOptions {
  /** How many of the first rows to include. Default 0. */
  readonly head?: number;
  /** Read and check everything: arrays, annotations, checksums. Default false. */
  readonly verify?: boolean;
  readonly signal?: AbortSignal;
  /** Progress of `verify`. */
  readonly onProgress?: (progress: InspectProgress) => void;
}

export interface InspectProgress {
  readonly done: number;
  readonly total: number;
  readonly unit: "rows" | "bytes";
}

/**
 * Describes an SCDL data set (a folder), an AnnData file or a 10x Genomics HDF5 file.
 *
 * Without `verify` only structure, annotations of the first rows and a sample of rows are read.
 *
 * @throws NotFoundError no such path; FormatError not one of these formats or damaged so that it
 *   cannot be opened; StorageError; the signal's reason
 */
export async function inspect(path: string, options: InspectOptions = {}): Promise<InspectReport> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(path)).isDirectory();
  } catch (error) {
    throw fromFsError(error, path);
  }
  return isFolder ? inspectScdl(path, options) : inspectH5ad(path, options);
}
