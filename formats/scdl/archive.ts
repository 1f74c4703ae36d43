/**
 * Opens an SCDL data set: reads the small files, checks them against each other and against the
 * sizes of the arrays, and describes what there is. No array is read beyond its first and last
 * element; `verify.ts` does the rest.
 */
import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import {
  isFloat,
  isScdlDType,
  itemBytes,
  type ScdlDType,
  type UnsignedDType,
} from "../common/dtype.ts";
import { FormatError, fromFsError } from "../common/errors.ts";
import { namesIn } from "./directory-swap.ts";
import { FeatureIndex } from "./feature-index.ts";
import { arrayDType, decodeHeader, HEADER_FILE, type ScdlHeader } from "./header.ts";
import { resolveTypes } from "./infer.ts";
import {
  ARRAY_FILES,
  type ArrayName,
  DEFAULT_DTYPES,
  HEADER_NAMES,
  LEGACY_VAR_DIRECTORY,
  METADATA_FILE,
  OBS_DIRECTORY,
  parseTemporaryName,
  VAR_DIRECTORY,
  VERSION_FILE,
} from "./layout.ts";
import { notAnArchive } from "./not-an-archive.ts";
import { readSmallFile, readSmallText } from "./small-files.ts";

/** A raw little-endian array on disk. */
export interface ArrayFile<D extends ScdlDType = ScdlDType> {
  readonly path: string;
  readonly dtype: D;
  /** Elements. */
  readonly length: number;
}

export interface VarBlock {
  /** Matrix rows [rowBegin, rowEnd). */
  readonly rowBegin: number;
  readonly rowEnd: number;
  /** Columns of these rows. */
  readonly nVars: number;
  readonly label: string | null;
}

export interface ScdlArchive {
  readonly directory: string;
  /** Package version from version.json, e.g. "0.1.3". */
  readonly version: string | null;
  /** From the header, e.g. "0.1.0"; null without one. */
  readonly schemaVersion: string | null;
  readonly header: ScdlHeader | null;
  readonly nObs: number;
  /** Stored values. */
  readonly nnz: number;
  readonly data: ArrayFile;
  readonly indices: ArrayFile<UnsignedDType>;
  /** nObs + 1 offsets into data and indices. */
  readonly indptr: ArrayFile<UnsignedDType>;
  readonly neighbors: {
    readonly indices: ArrayFile<UnsignedDType>;
    readonly indptr: ArrayFile<UnsignedDType>;
    readonly values: ArrayFile;
  } | null;
  readonly var: FeatureIndex | null;
  readonly obs: FeatureIndex | null;
  readonly varBlocks: readonly VarBlock[];
}

export interface OpenArchiveOptions {
  /** Hears of everything odd that does not stand in the way of reading. */
  readonly onWarning?: (message: string) => void;
}

/**
 * @throws NotFoundError when the directory is missing or is no SCDL data set, saying what it is.
 * @throws FormatError when the files contradict each other and no reading of them is sound.
 */
export async function openArchive(
  directory: string,
  options: OpenArchiveOptions = {},
): Promise<ScdlArchive> {
  const onWarning = options.onWarning ?? (() => {});
  checkDirectory(directory);
  const header = loadHeader(join(directory, HEADER_FILE), onWarning);
  const varDirectory = [VAR_DIRECTORY, LEGACY_VAR_DIRECTORY].find((name) =>
    existsSync(join(directory, name)),
  );
  const varIndex = loadIndex(directory, varDirectory, "var", header, onWarning);
  const pathOf = (array: ArrayName) => join(directory, ARRAY_FILES[array]);
  const sizes = {
    data: sizeOf(pathOf("data")),
    indices: sizeOf(pathOf("indices")),
    indptr: sizeOf(pathOf("indptr")),
  };
  if (isGrownByNumpy(header, sizes)) {
    onWarning(`${pathOf("data")}: one byte, appended by numpy to an empty array; read as empty`);
    sizes.data = 0;
    sizes.indices = 0;
  }
  const resolved = resolveTypes({
    directory,
    paths: { data: pathOf("data"), indptr: pathOf("indptr") },
    sizes,
    declared: {
      data: declaredType(header, "data"),
      indices: declaredUnsigned(header, "indices"),
      indptr: declaredUnsigned(header, "indptr"),
    },
    declaredBy: header === null ? "the defaults" : "header.sch",
    rows: varIndex?.nRows,
  });
  const { types, nObs, nnz } = resolved;
  if (resolved.inferred !== null) onWarning(`${directory}: ${resolved.inferred}`);
  warnOfStaleLengths(header, join(directory, HEADER_FILE), { nObs, nnz }, onWarning);
  warnOfMetadata(join(directory, METADATA_FILE), nObs, onWarning);
  return {
    directory,
    version: loadVersion(join(directory, VERSION_FILE), onWarning),
    schemaVersion: header === null ? null : header.version.join("."),
    header,
    nObs,
    nnz,
    data: { path: pathOf("data"), dtype: types.data, length: nnz },
    indices: { path: pathOf("indices"), dtype: types.indices, length: nnz },
    indptr: { path: pathOf("indptr"), dtype: types.indptr, length: nObs + 1 },
    neighbors: loadNeighbors(pathOf, header, nObs, onWarning),
    var: varIndex,
    obs: loadObs(directory, header, nObs, onWarning),
    varBlocks: varIndex === null ? [] : describeVarBlocks(varIndex),
  };
}

function checkDirectory(directory: string): void {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(directory).isDirectory();
  } catch (error) {
    throw fromFsError(error, directory);
  }
  if (!isDirectory) throw notAnArchive(directory, null);
  if (parseTemporaryName(basename(resolve(directory))) !== undefined) {
    throw new FormatError(
      "incomplete",
      "is a data set that is still being written, or was given up",
      {
        path: directory,
        suggestions: ["wait until the conversion has ended", "run it again, which also cleans up"],
      },
    );
  }
  const names = namesIn(directory);
  const required = [ARRAY_FILES.data, ARRAY_FILES.indptr, ARRAY_FILES.indices];
  if (required.some((name) => !names.includes(name))) throw notAnArchive(directory, names);
}

/** Opening a data set without values, the original maps its empty files, and numpy appends a byte. */
function isGrownByNumpy(
  header: ScdlHeader | null,
  sizes: { readonly data: number; readonly indices: number },
): boolean {
  const declared = header?.arrays.find(({ name }) => name === HEADER_NAMES.data);
  return declared?.length === 0 && sizes.data === 1 && sizes.indices === 1;
}

function loadHeader(path: string, onWarning: (message: string) => void): ScdlHeader | null {
  if (!existsSync(path)) {
    onWarning(`SCDL header missing at ${path}; continuing without header.`);
    return null;
  }
  try {
    const header = decodeHeader(readSmallFile(path), path);
    for (const name of [HEADER_NAMES.data, HEADER_NAMES.indptr, HEADER_NAMES.indices]) {
      if (!isScdlDType(arrayDType(header, name) ?? "")) {
        throw new FormatError("bad-header", `expected a numeric array ${name}, found none`, {
          path,
        });
      }
    }
    return header;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    onWarning(`Failed to load SCDL header at ${error.message}; continuing without header.`);
    return null;
  }
}

function declaredType(header: ScdlHeader | null, array: ArrayName): ScdlDType {
  const declared = header === null ? undefined : arrayDType(header, HEADER_NAMES[array]);
  return declared ?? DEFAULT_DTYPES[array];
}

function declaredUnsigned(
  header: ScdlHeader | null,
  array: "indices" | "indptr" | "neighborIndices" | "neighborIndptr",
): UnsignedDType {
  const declared = declaredType(header, array);
  return isFloat(declared) ? DEFAULT_DTYPES[array] : declared;
}

function loadIndex(
  directory: string,
  name: string | undefined,
  kind: "var" | "obs",
  header: ScdlHeader | null,
  onWarning: (message: string) => void,
): FeatureIndex | null {
  if (name === undefined) {
    if (kind === "var") onWarning(`${directory}: no ${VAR_DIRECTORY}; continuing without var`);
    return null;
  }
  return FeatureIndex.open(join(directory, name), { kind, header, onWarning });
}

function loadObs(
  directory: string,
  header: ScdlHeader | null,
  nObs: number,
  onWarning: (message: string) => void,
): FeatureIndex | null {
  const name = existsSync(join(directory, OBS_DIRECTORY)) ? OBS_DIRECTORY : undefined;
  const index = loadIndex(directory, name, "obs", header, onWarning);
  if (index === null) return null;
  if (index.nRows !== nObs) {
    onWarning(`${index.path}: expected ${nObs} rows, found ${index.nRows}; continuing without obs`);
    return null;
  }
  for (let block = 0; block < index.nBlocks; block++) {
    const rows = (index.cumulative[block + 1] ?? 0) - (index.cumulative[block] ?? 0);
    const found = index.tableRows(block);
    if (found !== rows && index.columns(block).length > 0) {
      throw new FormatError("inconsistent-rows", `expected ${rows} rows, found ${found}`, {
        path: index.file(block).path,
      });
    }
  }
  return index;
}

function describeVarBlocks(index: FeatureIndex): VarBlock[] {
  return index.files.map((_, block) => ({
    rowBegin: index.cumulative[block] ?? 0,
    rowEnd: index.cumulative[block + 1] ?? 0,
    nVars: index.tableRows(block),
    label: index.labels[block] ?? null,
  }));
}

function loadNeighbors(
  pathOf: (array: ArrayName) => string,
  header: ScdlHeader | null,
  nObs: number,
  onWarning: (message: string) => void,
): ScdlArchive["neighbors"] {
  const paths = [pathOf("neighborIndptr"), pathOf("neighborIndices"), pathOf("neighborValues")];
  const present = paths.filter((path) => existsSync(path));
  if (present.length === 0) return null;
  if (present.length < paths.length) {
    const missing = paths.filter((path) => !present.includes(path));
    onWarning(`${missing.join(", ")}: missing; continuing without neighbours`);
    return null;
  }
  const file = <D extends ScdlDType>(array: ArrayName, dtype: D): ArrayFile<D> => ({
    path: pathOf(array),
    dtype,
    length: sizeOf(pathOf(array)) / itemBytes(dtype),
  });
  const indptr = file("neighborIndptr", declaredUnsigned(header, "neighborIndptr"));
  const indices = file("neighborIndices", declaredUnsigned(header, "neighborIndices"));
  const values = file("neighborValues", declaredType(header, "neighborValues"));
  if (indptr.length !== nObs + 1 || indices.length !== values.length) {
    // The original leaves these files as they are when it concatenates.
    onWarning(
      `${indptr.path}: expected ${nObs + 1} row pointers and as many indices as values, found ${indptr.length} row pointers, ${indices.length} indices, ${values.length} values; continuing without neighbours`,
    );
    return null;
  }
  return { indptr, indices, values };
}

function warnOfStaleLengths(
  header: ScdlHeader | null,
  path: string,
  found: { readonly nObs: number; readonly nnz: number },
  onWarning: (message: string) => void,
): void {
  for (const { name, length } of header?.arrays ?? []) {
    const isOurs = name === HEADER_NAMES.data || name === HEADER_NAMES.indices;
    const actual = name === HEADER_NAMES.indptr ? found.nObs + 1 : isOurs ? found.nnz : length;
    if (length !== actual) {
      onWarning(
        `${path}: ${name} has ${actual} elements, the header says ${length}; file sizes used`,
      );
    }
  }
}

function warnOfMetadata(path: string, nObs: number, onWarning: (message: string) => void): void {
  if (!existsSync(path)) {
    onWarning(`${path}: missing (bionemo-scdl cannot open this data set)`);
    return;
  }
  const parsed = parseJson(path, onWarning);
  const rows =
    typeof parsed === "object" && parsed !== null && "num_rows" in parsed ? parsed.num_rows : null;
  // The original keeps the first data set's count when it concatenates.
  if (rows !== nObs)
    onWarning(`${path}: num_rows is ${String(rows)}, the data set has ${nObs} rows`);
}

function loadVersion(path: string, onWarning: (message: string) => void): string | null {
  if (!existsSync(path)) {
    onWarning(`${path}: missing`);
    return null;
  }
  const parsed = parseJson(path, onWarning);
  return typeof parsed === "string" ? parsed : null;
}

function parseJson(path: string, onWarning: (message: string) => void): unknown {
  const text = readSmallText(path);
  try {
    return JSON.parse(text);
  } catch {
    onWarning(`${path}: expected JSON, found ${JSON.stringify(text.slice(0, 40))}`);
    return undefined;
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    throw fromFsError(error, path);
  }
}
