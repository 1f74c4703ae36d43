/** File names of an SCDL data set, as the format has them. */

export const ARRAY_FILES = {
  data: "data.npy",
  indices: "col_ptr.npy",
  indptr: "row_ptr.npy",
  neighborIndices: "neighbor_indices.npy",
  neighborIndptr: "neighbor_indptr.npy",
  neighborValues: "neighbor_values.npy",
} as const;
export type ArrayName = keyof typeof ARRAY_FILES;

/** Names of the arrays inside `header.sch`. */
export const HEADER_NAMES: Readonly<Record<ArrayName, string>> = {
  data: "DATA",
  indices: "COLPTR",
  indptr: "ROWPTR",
  neighborIndices: "NEIGHBOR_INDICES",
  neighborIndptr: "NEIGHBOR_INDICES_PTR",
  neighborValues: "NEIGHBOR_VALUES",
};

/** What the original assumes, and always writes for neighbours. */
export const DEFAULT_DTYPES = {
  data: "float32",
  indices: "uint32",
  indptr: "uint64",
  neighborIndices: "uint32",
  neighborIndptr: "uint64",
  neighborValues: "float32",
} as const;

export const METADATA_FILE = "metadata.json";
export const VERSION_FILE = "version.json";
export const CHECKSUM_FILE = "checksums.json";
export const VAR_DIRECTORY = "var_features";
export const OBS_DIRECTORY = "obs_features";
/** `var_features` of scdl before 0.1.3. */
export const LEGACY_VAR_DIRECTORY = "features";

export const CUMULATIVE_FILE = "cumulative_sum_index.npy";
export const LABELS_FILE = "labels.json";
export const LEGACY_LABELS_FILE = "labels.npy";
export const INDEX_VERSION_FILE = "version.npy";

/** The package version written: files are what bionemo-scdl 0.1.3 writes. */
export const SCDL_VERSION = "0.1.3";

/** Parquet names of an index of `count` blocks: as many digits as the count has. */
export function blockFiles(count: number): string[] {
  const digits = String(count).length;
  return Array.from(
    { length: count },
    (_, i) => `dataframe_${String(i).padStart(digits, "0")}.parquet`,
  );
}

const TEMPORARY = /^\.(.+)\.scdl-(tmp|old)-(\d+)-[0-9a-f]+$/;

/** The name of a directory that is being written (`tmp`) or replaced (`old`) by process `pid`. */
export function temporaryName(
  base: string,
  kind: "tmp" | "old",
  pid: number,
  random: string,
): string {
  return `.${base}.scdl-${kind}-${pid}-${random}`;
}

export function parseTemporaryName(
  name: string,
): { readonly base: string; readonly kind: "tmp" | "old"; readonly pid: number } | undefined {
  const [, base, kind, pid] = TEMPORARY.exec(name) ?? [];
  if (base === undefined || (kind !== "tmp" && kind !== "old")) return undefined;
  return { base, kind, pid: Number(pid) };
}
