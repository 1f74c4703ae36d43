/** What a path that is no SCDL data set looks like, and what to do with it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { NotFoundError } from "../common/errors.ts";
import { ARRAY_FILES } from "./layout.ts";

/** `names` are the directory's entries; null for a file. */
export function notAnArchive(path: string, names: readonly string[] | null): NotFoundError {
  const { found, suggestions } = describe(path, names);
  const expected = [ARRAY_FILES.data, ARRAY_FILES.indptr, ARRAY_FILES.indices].join(", ");
  return new NotFoundError(
    "not-scdl",
    `${path}: expected an SCDL data set (${expected}), found ${found}`,
    { what: path, suggestions },
  );
}

/** @param names entries of a directory */
export function isZarr(names: readonly string[]): boolean {
  return names.some((name) => [".zgroup", ".zarray", "zarr.json", ".zattrs"].includes(name));
}

export const ZARR_SUGGESTION =
  "write the zarr store as h5ad first (adata.write_h5ad), then scdl convert-h5ad";

function describe(path: string, names: readonly string[] | null) {
  if (names === null) {
    return /\.(h5ad|h5|hdf5)$/.test(path)
      ? { found: "an HDF5 file", suggestions: [`scdl convert-h5ad ${path} --output DIRECTORY`] }
      : { found: "a file", suggestions: ["name the directory"] };
  }
  if (isZarr(names)) return { found: "a zarr store", suggestions: [ZARR_SUGGESTION] };
  const missing = Object.values(ARRAY_FILES)
    .slice(0, 3)
    .filter((name) => !names.includes(name));
  if (missing.length < 3) {
    return {
      found: `a directory without ${missing.join(", ")}`,
      suggestions: ["the data set is incomplete: convert the source files again"],
    };
  }
  const parts = names.filter((name) => existsSync(join(path, name, ARRAY_FILES.data)));
  if (parts.length > 0) {
    const first = join(path, parts[0] ?? "");
    return {
      found: `a collection of ${parts.length} data sets`,
      suggestions: [`open one of them, e.g. ${first}`, "open all of them as a DatasetCollection"],
    };
  }
  if (names.some((name) => name.endsWith(".h5ad"))) {
    return {
      found: "a directory of h5ad files",
      suggestions: [`scdl convert-h5ad ${path} --output DIRECTORY`],
    };
  }
  const listed = names.slice(0, 5).join(", ");
  return {
    found: names.length === 0 ? "nothing of it" : `${names.length} other entries (${listed})`,
    suggestions: ["check the path", "scdl convert-h5ad makes a data set from h5ad files"],
  };
}
