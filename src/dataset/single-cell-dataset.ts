import type * as arrow from "apache-arrow";
import { FILE_ACCESSES, type FileAccess } from "../../formats/bytes/open-source.ts";
import { allocate, type ScdlDType } from "../../formats/common/dtype.ts";
import { InvalidArgumentError, NotFoundError, ScdlError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aFunction,
  aNumber,
  anObject,
  checkOptions,
  type OptionKinds,
  oneOf,
} from "../../formats/common/options.ts";
import { type MatrixData, scatter } from "../../formats/csr/csr-matrix.ts";
import { openArchive } from "../../formats/scdl/archive.ts";
import type { CastDatasetOptions } from "./cast.ts";
import type { ConcatOptions } from "./concat.ts";
import type { DatasetArchive, FeatureTables } from "./dataset-archive.ts";
import {
  type CategoricalColumn,
  type ListColumn,
  loadColumn,
  type NumericColumn,
} from "./feature-column.ts";
import { assertHolds } from "./gather-buffers.ts";
import { MatrixFile } from "./matrix-file.ts";
import { type NeighborOptions, Neighbors } from "./neighbors.ts";
import { RowReader, type SparseRow } from "./row-reader.ts";
import type { WriteDatasetOptions, WrittenDataset } from "./write-datasets.ts";

/** Row pointers are cached up to this size: 32 M rows. */
const DEFAULT_BUDGET_BYTES = 256 * 2 ** 20;
/** The column a converted data set keeps gene names in. */
const VAR_ID_COLUMN = "var_feature_id";

export interface OpenDatasetOptions {
  /**
   * Memory this object may hold on to, in bytes. Default 256 MiB. Row pointers (8 bytes a row) are
   * cached when they fit, otherwise read from the file each time.
   */
  readonly memoryBudgetBytes?: number;
  /** Default "auto": a map on local file systems, plain reads elsewhere. */
  readonly access?: FileAccess;
  /** How neighbours are sampled; see {@link SingleCellDataset.neighbors}. */
  readonly neighbors?: NeighborOptions;
  /** Reads all values into the page cache now. Sensible when they fit in memory. Default false. */
  readonly warm?: boolean;
  /** Told about what is odd but readable: legacy layouts, wrong headers. Default: nobody. */
  readonly onWarning?: (message: string) => void;
}

/** A cell and one of its neighbours; the cell itself when it has none. */
export interface NeighborPair<Row> {
  readonly current: Row;
  readonly next: Row;
  readonly currentIndex: number;
  readonly nextIndex: number;
}

/**
 * An SCDL data set on disk, opened for reading.
 *
 * Rows come as copies in the element types of {@link dtypes} (float16 widened to float32). Rows are
 * integers from 0 to nObs - 1: unlike the Python original, a negative or too large row is an
 * error and never wraps around. Reading is synchronous; only obs and var tables are awaited.
 * Nothing is ever written, so read-only media serve.
 */
export class SingleCellDataset extends RowReader {
  readonly directory: string;
  readonly #archive: DatasetArchive;
  readonly #options: OpenDatasetOptions;
  readonly #columns = new Map<string, Promise<NumericColumn | CategoricalColumn | ListColumn>>();
  #neighbors: Neighbors | null | undefined;
  #closed = false;

  private constructor(archive: DatasetArchive, matrix: MatrixFile, options: OpenDatasetOptions) {
    super(matrix, archive.nnz, archive.varBlocks);
    this.#archive = archive;
    this.#options = options;
    this.directory = archive.directory;
  }

  /**
   * Opens a data set directory: reads headers and sizes, no rows. obs and var are read when asked.
   * @throws NotFoundError, FormatError, StorageError
   */
  static async open(
    directory: string,
    options: OpenDatasetOptions = {},
  ): Promise<SingleCellDataset> {
    assertOpenOptions(directory, options);
    const { onWarning } = options;
    const archive = await openArchive(directory, onWarning === undefined ? {} : { onWarning });
    return SingleCellDataset.fromArchive(archive, options);
  }

  /** Reads rows of an archive that is already open. @throws FormatError, StorageError */
  static fromArchive(archive: DatasetArchive, options: OpenDatasetOptions = {}): SingleCellDataset {
    const matrix = MatrixFile.open(archive, {
      access: options.access ?? "auto",
      budgetBytes: options.memoryBudgetBytes ?? DEFAULT_BUDGET_BYTES,
      nRows: archive.nObs,
      what: "row",
    });
    const dataset = new SingleCellDataset(archive, matrix, options);
    if (options.warm === true) dataset.warm();
    return dataset;
  }

  /**
   * One row with its zeros: `nVarsAt(row)` values. Where a column is stored twice the last value
   * wins, as in the original. @throws FormatError for a stored column beyond the variables.
   */
  rowDense(row: number, out?: MatrixData): MatrixData {
    const { data, indices } = this.row(row, { validate: false });
    const nVars = this.nVarsAt(row);
    const dense = this.#denseTarget(out, nVars);
    scatter(data, indices, 0, data.length, nVars, dense, 0, row, this.indicesPath);
    return dense;
  }

  /**
   * Rows with their zeros, row-major [rows, nVars]; rows of a smaller var block are padded with
   * zeros. Repeats as in {@link rowDense}.
   */
  rowsDense(rows: ArrayLike<number>, out?: MatrixData): MatrixData {
    const { nVars } = this;
    const dense = this.#denseTarget(out, rows.length * nVars);
    const sparse = this.rows(rows, { validate: false });
    for (let i = 0; i < rows.length; i++) {
      const begin = sparse.indptr[i] as number;
      const end = sparse.indptr[i + 1] as number;
      const row = rows[i] as number;
      const width = this.nVarsAt(row);
      const at = i * nVars;
      scatter(sparse.data, sparse.indices, begin, end, width, dense, at, row, this.indicesPath);
      if (dense instanceof BigUint64Array) dense.fill(0n, at + width, at + nVars);
      else dense.fill(0, at + width, at + nVars);
    }
    return dense;
  }

  /**
   * The value at (row, column), 0 when none is stored: what {@link rowDense} has there, also when
   * columns are unsorted (where the original misses values). A bigint for uint64 data.
   */
  value(row: number, column: number): number | bigint {
    return this.storedValue(row, column) ?? (this.dtypes.data === "uint64" ? 0n : 0);
  }

  /** The same, or null when no value is stored there. */
  storedValue(row: number, column: number): number | bigint | null {
    const { data, indices } = this.row(row);
    const nVars = this.nVarsAt(row);
    if (!(column >= 0 && column < nVars && column % 1 === 0)) {
      throw new InvalidArgumentError(
        "column",
        column,
        `column ${column} does not exist: expected an integer from 0 to ${nVars - 1} (${nVars} variables)`,
      );
    }
    const at = indices.lastIndexOf(column);
    return at < 0 ? null : (data[at] as number | bigint);
  }

  /**
   * The neighbours stored with the cells, or null when the data set has none.
   * @throws FormatError when the files are damaged; StorageError "file-changed" when the data set
   *   was replaced before they were first asked for.
   */
  get neighbors(): Neighbors | null {
    this.#assertOpen();
    if (this.#neighbors === undefined) {
      const neighbors = Neighbors.open(this.#archive, {
        ...this.#options.neighbors,
        access: this.#options.access ?? "auto",
        budgetBytes: this.#options.memoryBudgetBytes ?? DEFAULT_BUDGET_BYTES,
        onWarning: this.#options.onWarning,
      });
      try {
        // Opened after the matrix: they must be of the same save.
        if (neighbors !== null) this.assertInPlace();
      } catch (error) {
        neighbors?.close();
        throw error;
      }
      this.#neighbors = neighbors;
    }
    return this.#neighbors;
  }

  /**
   * A row and one of its neighbours, sampled as `options.neighbors` of open says.
   * @param draw the number of the draw: the same (seed, row, draw) gives the same neighbour.
   * @throws NotFoundError "no-neighbors" when the data set has none.
   */
  rowWithNeighbor(row: number, draw = 0): NeighborPair<SparseRow> {
    const nextIndex = this.#requireNeighbors().sample(row, draw);
    const current = this.row(row);
    const next = nextIndex === row ? current : this.row(nextIndex);
    return { current, next, currentIndex: row, nextIndex };
  }

  /** The same with zeros, see {@link rowDense}. */
  rowDenseWithNeighbor(row: number, draw = 0): NeighborPair<MatrixData> {
    const nextIndex = this.#requireNeighbors().sample(row, draw);
    const current = this.rowDense(row);
    const next = nextIndex === row ? current : this.rowDense(nextIndex);
    return { current, next, currentIndex: row, nextIndex };
  }

  /** Names and types of the obs columns, of every block. */
  async obsColumns(): Promise<readonly { readonly name: string; readonly type: arrow.DataType }[]> {
    const columns = new Map<string, arrow.DataType>();
    const { obs } = this.#archive;
    for (let block = 0; block < (obs?.nBlocks ?? 0); block++) {
      for (const field of (await obs?.schema(block))?.fields ?? []) {
        if (!columns.has(field.name)) columns.set(field.name, field.type);
      }
    }
    return [...columns].map(([name, type]) => ({ name, type }));
  }

  /**
   * One obs column of all rows, read once and kept: `column.at(row)`, `column.gather(rows)`.
   * @throws NotFoundError "no-such-column" listing those there are.
   */
  obsColumn(name: string): Promise<NumericColumn | CategoricalColumn | ListColumn> {
    let column = this.#columns.get(name);
    if (column === undefined) {
      column = loadColumn(this.#requireTables("obs"), name);
      this.#columns.set(name, column);
      // A failed read is not remembered.
      column.catch(() => this.#columns.delete(name));
    }
    return column;
  }

  /** obs as one Arrow table of nObs rows, all columns or those named, blocks after one another. */
  async obs(columns?: readonly string[]): Promise<arrow.Table> {
    const tables = this.#requireTables("obs");
    const { concatTables } = await import("./feature-tables.ts");
    return concatTables(tables, columns);
  }

  /** var of one block (default the first) as an Arrow table of nVars rows. */
  async var(columns?: readonly string[], block = 0): Promise<arrow.Table> {
    const tables = this.#requireTables("var");
    if (!(block >= 0 && block < tables.nBlocks)) {
      throw new InvalidArgumentError(
        "block",
        block,
        `var block ${block} does not exist: expected 0 to ${tables.nBlocks - 1}`,
      );
    }
    const { selectColumns } = await import("./feature-tables.ts");
    return selectColumns(tables, block, columns);
  }

  /**
   * Gene names of a var block: column `var_feature_id`.
   * @throws NotFoundError when the data set does not keep them (the Python converter drops them
   *   whenever var has other columns).
   */
  async varIds(block = 0): Promise<readonly string[]> {
    const table = await this.var([VAR_ID_COLUMN], block);
    return Array.from(table.getChild(VAR_ID_COLUMN) ?? [], String);
  }

  /**
   * Writes this data set anew, with today's header, side files and checksums.
   * @throws StorageError "already-exists"
   */
  async save(output: string, options: WriteDatasetOptions = {}): Promise<WrittenDataset> {
    const { saveDataset } = await import("./concat.ts");
    return saveDataset(this.directory, output, options);
  }

  /**
   * Writes this data set followed by others to `options.output`; none of them changes.
   * @throws IncompatibleError for float values with integer values.
   */
  async concat(
    others: readonly (SingleCellDataset | string)[],
    options: ConcatOptions,
  ): Promise<WrittenDataset> {
    const { concatDatasets } = await import("./concat.ts");
    const directories = others.map((other) =>
      typeof other === "string" ? other : other.directory,
    );
    return concatDatasets([this.directory, ...directories], options);
  }

  /**
   * Writes this data set with values of another type. Without `options.output` the directory is
   * replaced in one step; this object goes on reading the old files: open it again.
   * @throws PrecisionLossError for the first value that does not fit, unless `allowLossy`.
   */
  async cast(
    dtype: ScdlDType,
    options: Omit<CastDatasetOptions, "dtype"> = {},
  ): Promise<WrittenDataset> {
    const { castDataset } = await import("./cast.ts");
    return castDataset(this.directory, { ...options, dtype });
  }

  /** @internal How to open the same rows in another thread. */
  get reopenOptions(): OpenDatasetOptions {
    const { access, memoryBudgetBytes } = this.#options;
    return {
      ...(access === undefined ? {} : { access }),
      ...(memoryBudgetBytes === undefined ? {} : { memoryBudgetBytes }),
    };
  }

  /** Releases files and memory; idempotent. Every later read throws ScdlError "closed". */
  close(): void {
    this.#closed = true;
    this.closeMatrix();
    this.#neighbors?.close();
    this.#columns.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #denseTarget(out: MatrixData | undefined, length: number): MatrixData {
    if (out === undefined) return allocate(this.dtypes.data, length);
    assertHolds("out", out, this.dtypes.data);
    if (out.length >= length) return out;
    throw new InvalidArgumentError(
      "out",
      out.length,
      `out has room for ${out.length} values, ${length} are needed`,
    );
  }

  #requireNeighbors(): Neighbors {
    const { neighbors } = this;
    if (neighbors !== null) return neighbors;
    throw new NotFoundError("no-neighbors", `${this.directory}: the data set has no neighbours`, {
      what: "neighbor_indices.npy",
      suggestions: ["convert with --neighbors KEY, KEY being one of obsp"],
    });
  }

  #requireTables(which: "obs" | "var"): FeatureTables {
    this.#assertOpen();
    const tables = this.#archive[which];
    if (tables !== null && tables.nBlocks > 0) return tables;
    throw new NotFoundError("no-features", `${this.directory}: there are no ${which} columns`, {
      what: which,
    });
  }

  #assertOpen(): void {
    if (this.#closed) throw new ScdlError("closed", `${this.directory}: read after close`);
  }
}

const NEIGHBOR_KINDS: OptionKinds<NeighborOptions> = {
  strategy: oneOf("random", "first"),
  seed: aNumber,
};

const OPEN_KINDS: OptionKinds<OpenDatasetOptions> = {
  memoryBudgetBytes: aNumber,
  access: oneOf(...FILE_ACCESSES),
  neighbors: anObject,
  warm: aBoolean,
  onWarning: aFunction,
};

function assertOpenOptions(directory: unknown, options: OpenDatasetOptions): void {
  if (typeof directory !== "string" || directory === "") {
    throw new InvalidArgumentError("directory", directory, "expected the path of a data set");
  }
  checkOptions("SingleCellDataset.open", options, OPEN_KINDS);
  const { neighbors = {} } = options;
  checkOptions("SingleCellDataset.open: neighbors", neighbors, NEIGHBOR_KINDS);
  const { memoryBudgetBytes = DEFAULT_BUDGET_BYTES } = options;
  if (!(memoryBudgetBytes >= 0)) {
    const message = `the memory budget must be 0 bytes or more, found ${memoryBudgetBytes}`;
    throw new InvalidArgumentError("memoryBudgetBytes", memoryBudgetBytes, message);
  }
}
