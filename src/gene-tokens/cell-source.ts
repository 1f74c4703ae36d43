import { statSync } from "node:fs";
import type * as arrow from "apache-arrow";
import type { ScdlDType } from "../../formats/common/dtype.ts";
import { FormatError, fromFsError } from "../../formats/common/errors.ts";
import type { CsrMatrix } from "../../formats/csr/csr-matrix.ts";
import type { CategoricalColumn, ListColumn, NumericColumn } from "../dataset/feature-column.ts";
import { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import { readGeneNames } from "./gene-names.ts";

/** Rows that share one list of genes. */
export interface GeneRange {
  readonly rowBegin: number;
  readonly rowEnd: number;
  readonly genes: readonly string[];
}

/** Consecutive cells; the arrays are valid until the next block is asked for. */
export interface CellBlock extends CsrMatrix {
  readonly rowBegin: number;
  readonly rowEnd: number;
}

export interface CellRange {
  readonly begin: number;
  readonly end: number;
  /** Bytes of matrix read at a time. */
  readonly blockBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Cells with the names of their genes, wherever they are stored. */
export interface CellSource extends AsyncDisposable {
  readonly path: string;
  readonly nObs: number;
  /** Which files these are, as they are now. */
  readonly identity: string;
  /** Element type that the values count as; see {@link CellMatrixTypes}. */
  readonly dtype: ScdlDType;
  readonly geneRanges: readonly GeneRange[];
  readonly obsNames: readonly string[];
  /** Blocks of one gene range. */
  blocks(range: CellRange): AsyncIterable<CellBlock> | Iterable<CellBlock>;
  /** @throws NotFoundError "no-such-column" */
  column(name: string): Promise<NumericColumn | CategoricalColumn | ListColumn>;
  /** @throws NotFoundError "no-such-column" */
  obs(columns: readonly string[]): Promise<arrow.Table>;
}

export interface OpenCellsOptions {
  /** Var column with Ensembl ids. Default: the first there is of feature_id, ensembl_id, names. */
  readonly genes?: string | undefined;
  /** For h5ad files: `raw`, `X` or `layers/NAME`. Default raw where there is one, else X. */
  readonly matrix?: string | undefined;
  /** For h5ad files: count integers as the float32 numbers that a conversion makes of them. */
  readonly asConverted?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * An SCDL directory, or an h5ad or 10x file, as cells; the caller closes it.
 * @throws NotFoundError, FormatError and StorageError as opening them does.
 */
export async function openCells(path: string, options: OpenCellsOptions = {}): Promise<CellSource> {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw fromFsError(error, path);
  }
  if (isFolder) {
    const dataset = await SingleCellDataset.open(path);
    try {
      return await ScdlCells.of(dataset, options.genes);
    } catch (error) {
      dataset.close();
      throw error;
    }
  }
  const { H5adCells } = await import("./h5ad-cells.ts");
  return H5adCells.open(path, options);
}

/** The cells of an SCDL data set, which closes with them. */
export class ScdlCells implements CellSource {
  readonly path: string;
  readonly nObs: number;
  readonly identity: string;
  readonly dtype: ScdlDType;
  readonly geneRanges: readonly GeneRange[];
  readonly obsNames: readonly string[];
  readonly #dataset: SingleCellDataset;

  private constructor(
    dataset: SingleCellDataset,
    genes: readonly (readonly string[])[],
    obsNames: readonly string[],
  ) {
    this.#dataset = dataset;
    this.path = dataset.directory;
    this.nObs = dataset.nObs;
    this.identity = dataset.identity;
    this.dtype = dataset.dtypes.data;
    this.obsNames = obsNames;
    this.geneRanges = dataset.varBlocks.map(({ rowBegin, rowEnd }, block) => ({
      rowBegin,
      rowEnd,
      genes: genes[block] ?? [],
    }));
  }

  /** @throws NotFoundError "no-such-column" for a data set without Ensembl ids. */
  static async of(dataset: SingleCellDataset, genes?: string): Promise<ScdlCells> {
    const names = await readGeneNames(dataset, genes);
    const obs = (await dataset.obsColumns()).map(({ name }) => name);
    return new ScdlCells(dataset, names, obs);
  }

  blocks({ begin, end, blockBytes }: CellRange): Iterable<CellBlock> {
    return this.#dataset.rowBlocks({ begin, end, blockBytes, validate: false });
  }

  column(name: string): Promise<NumericColumn | CategoricalColumn | ListColumn> {
    return this.#dataset.obsColumn(name);
  }

  obs(columns: readonly string[]): Promise<arrow.Table> {
    return this.#dataset.obs(columns);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#dataset.close();
  }
}

/**
 * A numeric obs column as float64; NaN where missing.
 * @throws FormatError "not-numbers"
 */
export async function readNumbers(
  cells: CellSource,
  name: string,
): Promise<{ readonly values: Float64Array; readonly isSingle: boolean }> {
  const column = await cells.column(name);
  if (column.kind !== "numeric" || column.length !== cells.nObs) {
    throw new FormatError("not-numbers", `expected numbers in the obs column ${name}`, {
      path: cells.path,
    });
  }
  const { values, missing } = column;
  return {
    values: Float64Array.from(values, (value: number | bigint, row: number) =>
      missing?.[row] === 1 ? Number.NaN : Number(value),
    ),
    isSingle: values instanceof Float32Array,
  };
}

/** `asked`, or else the column of the usual name where there is one; null for none. */
export function chosenColumn(
  cells: CellSource,
  asked: string | null | undefined,
  usual: string,
): string | null {
  if (asked !== undefined) return asked;
  return cells.obsNames.includes(usual) ? usual : null;
}
