import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { FileSource } from "../../../formats/bytes/file-source.ts";
import {
  fromFsError,
  NotFoundError,
  UnsupportedFeatureError,
} from "../../../formats/common/errors.ts";
import { ARRAY_FILES } from "../../../formats/scdl/layout.ts";
import { isZarr, ZARR_SUGGESTION } from "../../../formats/scdl/not-an-archive.ts";
import { TOKEN_HEADER } from "../../../formats/tokens/layout.ts";
import { readTokenHeader } from "../../gene-tokens/token-dataset.ts";
import { namesShards } from "../../webdataset/indexed-shards.ts";

/** A place of cells: what it is decides how it is read. */
export interface CellInput {
  readonly kind: "scdl" | "h5ad" | "tokens" | "token-shards" | "token-parquet" | "cell-shards";
  readonly path: string;
}

const HDF5_MAGIC = "\x89HDF";
const PARQUET_MAGIC = "PAR1";

const KIND_OF_LAYOUT = {
  mapped: "tokens",
  webdataset: "token-shards",
  parquet: "token-parquet",
} as const;

/**
 * What the paths are, in their order; a folder that is no data set itself stands for the data sets and
 * h5ad files in it, by name.
 * @throws NotFoundError "no-cells" for a folder without any; UnsupportedFeatureError for other files
 */
export function cellInputs(paths: readonly string[]): CellInput[] {
  return paths.flatMap((path) => {
    const stats = statSync(path, { throwIfNoEntry: false });
    // A pattern of shards is no file.
    if (stats === undefined && namesShards(path)) return [shards(path, dirname(path))];
    if (stats?.isDirectory() !== true) return [fileOf(path)];
    return folderOf(path) ?? inside(path);
  });
}

function fileOf(path: string): CellInput {
  if (namesShards(path)) return shards(path, dirname(path));
  using file = FileSource.open(path);
  const magic = Buffer.from(file.read(0, Math.min(4, file.byteLength))).toString("latin1");
  if (magic === HDF5_MAGIC) return { kind: "h5ad", path };
  if (magic === PARQUET_MAGIC) return { kind: "token-parquet", path };
  const message = `${path}: expected cells (an SCDL data set, h5ad, tokens or shards), found another file`;
  throw new UnsupportedFeatureError("cells", message, {
    suggestions: ["write it as h5ad (adata.write_h5ad)", "name the folder of the data set"],
  });
}

/** A folder that is one input; null for one that may hold some. */
function folderOf(path: string): CellInput[] | null {
  const names = namesIn(path);
  if (names.includes(TOKEN_HEADER)) return [shards(path, path)];
  if (Object.values(ARRAY_FILES).some((name) => names.includes(name))) {
    return [{ kind: "scdl", path }];
  }
  return namesShards(path) ? [shards(path, path)] : null;
}

/** Tokens or cells, by what is beside the shards. */
function shards(path: string, folder: string): CellInput {
  const hasHeader =
    statSync(join(folder, TOKEN_HEADER), { throwIfNoEntry: false })?.isFile() === true;
  if (!hasHeader) return { kind: "cell-shards", path };
  return { kind: KIND_OF_LAYOUT[readTokenHeader(folder).layout], path };
}

function inside(folder: string): CellInput[] {
  const names = namesIn(folder);
  const found = names.flatMap((name): CellInput[] => {
    const path = join(folder, name);
    if (name.startsWith(".")) return [];
    if (/\.h5ad$/i.test(name)) return [{ kind: "h5ad", path }];
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    return isFolder ? (folderOf(path) ?? []) : [];
  });
  if (found.length > 0) return found;
  const message = `${folder}: there are no cells in it: no SCDL data set, tokens, shards or h5ad file`;
  throw new NotFoundError("no-cells", message, {
    what: folder,
    suggestions: [
      isZarr(names) ? ZARR_SUGGESTION : "scdl convert-h5ad makes a data set from h5ad files",
    ],
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort((a, b) => (a < b ? -1 : 1));
  } catch (error) {
    throw fromFsError(error, folder);
  }
}
