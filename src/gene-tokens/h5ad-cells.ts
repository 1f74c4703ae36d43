import { statSync } from "node:fs";
import type * as arrow from "apache-arrow";
import type { DType, NumericArray, ScdlDType } from "../../formats/common/dtype.ts";
import { FormatError, NotFoundError } from "../../formats/common/errors.ts";
import type { MatrixData } from "../../formats/csr/csr-matrix.ts";
import { H5adFile } from "../../formats/h5ad/h5ad-file.ts";
import type { MatrixReader } from "../../formats/h5ad/matrix.ts";
import type { FeatureTables } from "../dataset/dataset-archive.ts";
import {
  type CategoricalColumn,
  type ListColumn,
  loadColumn,
  type NumericColumn,
} from "../dataset/feature-column.ts";
import type {
  CellBlock,
  CellRange,
  CellSource,
  GeneRange,
  OpenCellsOptions,
} from "./cell-source.ts";
import { GENE_COLUMNS } from "./gene-names.ts";

/** The cells of an AnnData or 10x file, read where they are. */
export class H5adCells implements CellSource {
  readonly path: string;
  readonly nObs: number;
  readonly identity: string;
  readonly dtype: ScdlDType;
  readonly geneRanges: readonly GeneRange[];
  readonly obsNames: readonly string[];
  readonly #file: H5adFile;
  readonly #matrix: MatrixReader;
  readonly #isSingle: boolean;

  private constructor(
    file: H5adFile,
    matrix: MatrixReader,
    genes: readonly string[],
    isSingle: boolean,
  ) {
    this.#file = file;
    this.#matrix = matrix;
    this.#isSingle = isSingle;
    this.path = file.path;
    this.nObs = matrix.shape[0];
    const { size, mtimeMs } = statSync(file.path);
    this.identity = `${size} bytes of ${mtimeMs}, ${matrix.path}`;
    this.dtype = isSingle ? "float32" : COUNTS_AS[matrix.dtype];
    this.geneRanges = [{ rowBegin: 0, rowEnd: this.nObs, genes }];
    this.obsNames = file.obsFrame.columns.map(({ name }) => name);
  }

  /** @throws NotFoundError for a matrix or var column that is not there; as `H5adFile.open`. */
  static async open(path: string, options: OpenCellsOptions): Promise<H5adCells> {
    const { signal, asConverted = false } = options;
    const file = await H5adFile.open(path, signal === undefined ? {} : { signal });
    try {
      const matrix = file.matrix(options.matrix ?? file.matrixNames[0] ?? "X");
      const isRaw = matrix.path.startsWith("raw");
      const { varFrame } = isRaw && file.raw !== null ? file.raw : file;
      const names = varFrame.columns.map(({ name }) => name);
      const wanted = options.genes === undefined ? GENE_COLUMNS : [options.genes];
      const found = wanted.find((name) => names.includes(name));
      if (found === undefined && options.genes !== undefined) {
        throw new NotFoundError("no-such-column", `${path}: var has no column ${options.genes}`, {
          what: options.genes,
          available: names,
        });
      }
      const table = await varFrame.table({ columns: found === undefined ? [] : [found] });
      const column = found === undefined ? table.getChildAt(0) : table.getChild(found);
      const genes = Array.from(column ?? [], String);
      return new H5adCells(file, matrix, genes, asConverted);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async *blocks({ signal, ...range }: CellRange): AsyncGenerator<CellBlock> {
    const nVars = this.#matrix.shape[1];
    const options = signal === undefined ? range : { ...range, signal };
    for await (const block of this.#matrix.rowBlocks(options)) {
      const { rowBegin, rowEnd, indices, indptr } = block;
      const data = this.#isSingle ? asSingle(block.data) : this.#counts(block);
      yield { rowBegin, rowEnd, data, indices, indptr, shape: [rowEnd - rowBegin, nVars] };
    }
  }

  column(name: string): Promise<NumericColumn | CategoricalColumn | ListColumn> {
    const { obsFrame } = this.#file;
    const tables: FeatureTables = {
      nBlocks: 1,
      labels: [null],
      cumulative: [0, this.nObs],
      schema: async () => (await obsFrame.table({ begin: 0, end: 0 })).schema,
      table: (_, { columns } = {}) => obsFrame.table(columns === undefined ? {} : { columns }),
    };
    return loadColumn(tables, name);
  }

  async obs(columns: readonly string[]): Promise<arrow.Table> {
    return (await this.#file.obs({ columns })).select([...columns]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  /** Signed integers as the unsigned ones that counts are. */
  #counts({ data, rowBegin }: { readonly data: NumericArray; readonly rowBegin: number }) {
    const Unsigned = UNSIGNED.get(data.constructor);
    // What is not signed has a type of SCDL.
    if (Unsigned === undefined) return data as MatrixData;
    for (const value of data) {
      if (value >= 0) continue;
      throw new FormatError(
        "negative-count",
        `expected counts, found ${value} in the rows from ${rowBegin}`,
        { path: this.path, suggestions: ["name the matrix of raw counts with --matrix"] },
      );
    }
    return new Unsigned(data.buffer, data.byteOffset, data.length);
  }
}

function asSingle(data: NumericArray): Float32Array {
  if (data instanceof Float32Array) return data;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    return Float32Array.from(data, Number);
  }
  return new Float32Array(data);
}

type UnsignedConstructor = new (
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
) => MatrixData;

const UNSIGNED: ReadonlyMap<unknown, UnsignedConstructor> = new Map<unknown, UnsignedConstructor>([
  [Int8Array, Uint8Array],
  [Int16Array, Uint16Array],
  [Int32Array, Uint32Array],
  [BigInt64Array, BigUint64Array],
]);

/** numpy computes with signed counts as with unsigned ones of the width. */
const COUNTS_AS: Readonly<Record<DType, ScdlDType>> = {
  int8: "uint8",
  int16: "uint16",
  int32: "uint32",
  int64: "uint64",
  uint8: "uint8",
  uint16: "uint16",
  uint32: "uint32",
  uint64: "uint64",
  float16: "float16",
  float32: "float32",
  float64: "float64",
};
