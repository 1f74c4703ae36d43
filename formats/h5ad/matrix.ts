import type { DType } from "../common/dtype.ts";
import { InvalidArgumentError, UnsupportedFeatureError } from "../common/errors.ts";
import { type ArrayStorage, asArrayStorage } from "../hdf5/storage.ts";
import { cscRowBlocks } from "./csc-rows.ts";
import type { CsrBlock, RowBlockOptions } from "./csr-block.ts";
import { csrRowBlocks } from "./csr-rows.ts";
import { DenseArray, denseRowBlocks } from "./dense-rows.ts";
import {
  attribute,
  type DatasetNode,
  type GroupNode,
  type Source,
  textAttribute,
} from "./source.ts";
import { SparseArrays } from "./sparse-arrays.ts";

/** Where the raw chunks of a csr matrix lie, for readers that decode them in their own threads. */
export interface SparseStorage {
  readonly data: ArrayStorage;
  readonly indices: ArrayStorage;
}

type Body =
  | { readonly encoding: "csr" | "csc"; readonly arrays: SparseArrays }
  | { readonly encoding: "dense"; readonly array: DenseArray };

/** One matrix of an AnnData file, read in bounded memory whatever its storage. */
export class MatrixReader {
  /** Inside the file, without the leading slash: `X`, `raw/X`, `layers/counts`. */
  readonly path: string;
  readonly encoding: "csr" | "csc" | "dense";
  readonly dtype: DType;
  readonly shape: readonly [number, number];
  /** Stored values; undefined for dense. */
  readonly nnz: number | undefined;
  readonly #source: Source;
  readonly #body: Body;

  private constructor(
    source: Source,
    path: string,
    dtype: DType,
    shape: readonly [number, number],
    body: Body,
  ) {
    this.#source = source;
    this.path = path.replace(/^\//, "");
    this.encoding = body.encoding;
    this.dtype = dtype;
    this.shape = shape;
    this.nnz = body.encoding === "dense" ? undefined : body.arrays.nnz;
    this.#body = body;
  }

  static async open(source: Source, node: GroupNode | DatasetNode): Promise<MatrixReader> {
    if (node.kind === "dataset") {
      const array = await DenseArray.open(source, node);
      return new MatrixReader(source, node.path, array.dtype, array.shape, {
        encoding: "dense",
        array,
      });
    }
    const encoding = sparseEncoding(node);
    if (encoding === null) {
      throw new UnsupportedFeatureError(
        "matrix-encoding",
        `${source.path}: ${node.path} is not a matrix (encoding ${textAttribute(node, "encoding-type") ?? "unknown"})`,
      );
    }
    return MatrixReader.openSparse(source, node.path, encoding, readShape(source, node));
  }

  /** For containers that keep the shape elsewhere (10x). */
  static async openSparse(
    source: Source,
    path: string,
    encoding: "csr" | "csc",
    shape: readonly [number, number],
  ): Promise<MatrixReader> {
    const [major, minor] = encoding === "csr" ? shape : [shape[1], shape[0]];
    const arrays = await SparseArrays.open(source, path, major, minor);
    return new MatrixReader(source, path, arrays.data.dtype, shape, { encoding, arrays });
  }

  /**
   * Pointers [begin, end] along the major axis (rows of csr, columns of csc), end included:
   * end - begin + 1 numbers, absolute, ascending, the first of the matrix 0, at most nnz.
   */
  async indptr(begin = 0, end?: number): Promise<Float64Array> {
    if (this.#body.encoding === "dense") {
      throw new InvalidArgumentError("matrix", this.path, `${this.path} is dense: no row pointers`);
    }
    const { arrays } = this.#body;
    return arrays.pointers(begin, end ?? arrays.nMajor);
  }

  /** The matrix as CSR blocks in row order; see {@link CsrBlock} for what is validated. */
  rowBlocks(options: RowBlockOptions = {}): AsyncGenerator<CsrBlock> {
    switch (this.#body.encoding) {
      case "csr":
        return csrRowBlocks(this.#body.arrays, options);
      case "csc":
        return cscRowBlocks(this.#body.arrays, options);
      case "dense":
        return denseRowBlocks(this.#body.array, options);
    }
  }

  /** Null unless the matrix is csr: other storages need {@link rowBlocks}. */
  async storage(): Promise<SparseStorage | null> {
    if (this.encoding !== "csr") return null;
    return {
      data: asArrayStorage(await this.#source.storageOf(`/${this.path}/data`)),
      indices: asArrayStorage(await this.#source.storageOf(`/${this.path}/indices`)),
    };
  }
}

export function sparseEncoding(node: GroupNode): "csr" | "csc" | null {
  const name = textAttribute(node, "encoding-type") ?? textAttribute(node, "h5sparse_format");
  if (name === "csr_matrix" || name === "csr") return "csr";
  if (name === "csc_matrix" || name === "csc") return "csc";
  return null;
}

function readShape(source: Source, node: GroupNode): [number, number] {
  const value = attribute(node, "shape") ?? attribute(node, "h5sparse_shape");
  if (ArrayBuffer.isView(value) && "length" in value && value.length === 2) {
    const rows = Number(value[0]);
    const columns = Number(value[1]);
    if (isAxis(rows) && isAxis(columns)) return [rows, columns];
    throw source.error("wrong-shape", `${node.path} claims ${rows} x ${columns}`);
  }
  throw source.error("wrong-shape", `${node.path} has no shape attribute of two numbers`);
}

/** Column numbers are 32-bit everywhere in this package; rows have room up to 2^53. */
function isAxis(length: number): boolean {
  return Number.isSafeInteger(length) && length >= 0;
}
