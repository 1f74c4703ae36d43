import { allocate } from "../../formats/common/dtype.ts";
import { FormatError } from "../../formats/common/errors.ts";
import { checkColumns, type MatrixData, scatter } from "../../formats/csr/csr-matrix.ts";
import type { GatherBuffers } from "../dataset/gather-buffers.ts";
import type { RowSource } from "./row-source.ts";

export interface GatherSettings {
  readonly layout: "csr" | "dense";
  /** Compare every column number with nVars. Dense batches always do. */
  readonly validate: boolean;
}

/** Arrays of one batch, longer than the batch where they were reused; and whose they are. */
export interface GatheredArrays {
  readonly data: MatrixData;
  /** Null in dense batches. */
  readonly indices: Uint8Array | Uint16Array | Uint32Array | null;
  readonly indptr: Float64Array | null;
  readonly rows: number;
  /** Elements of `data` in use. */
  readonly length: number;
}

/** Memory of a batch that nobody looks at any more. */
export type BatchMemory = readonly ArrayBuffer[];

/** Reads the rows of batches into recycled memory; the same code in the calling thread and in workers. */
export class BatchGatherer {
  readonly source: RowSource;
  readonly #settings: GatherSettings;
  readonly #buffers: GatherBuffers;

  constructor(source: RowSource, settings: GatherSettings) {
    this.source = source;
    this.#settings = settings;
    this.#buffers = source.createBuffers();
  }

  /**
   * @param memory of an earlier batch of this data set, or none; it is taken over.
   * @throws FormatError naming the row, InvalidArgumentError for rows that do not exist,
   *   StorageError "file-changed".
   */
  gather(rows: Float64Array, memory: BatchMemory = []): GatheredArrays {
    return this.#settings.layout === "csr" ? this.#csr(rows, memory) : this.#dense(rows, memory);
  }

  #csr(rows: Float64Array, memory: BatchMemory): GatheredArrays {
    const buffers = this.#buffers;
    buffers.adopt(memory);
    const nnz = this.#read(rows);
    const { data, indices, indptr } = buffers;
    // The arrays now belong to the batch.
    buffers.adopt([]);
    return { data, indices, indptr, rows: rows.length, length: nnz };
  }

  #dense(rows: Float64Array, [memory]: BatchMemory): GatheredArrays {
    this.#read(rows);
    const { nVars, dtypes } = this.source;
    const length = rows.length * nVars;
    const data = denseArray(allocate(dtypes.data, 0), length, memory);
    const { indptr, indices, data: values } = this.#buffers;
    for (let i = 0; i < rows.length; i++) {
      const [begin, end] = [indptr[i] as number, indptr[i + 1] as number];
      const row = rows[i] as number;
      this.#namingFile(row, () => {
        scatter(values, indices, begin, end, nVars, data, i * nVars, row, "data set");
      });
    }
    return { data, indices: null, indptr: null, rows: rows.length, length };
  }

  #read(rows: Float64Array): number {
    const buffers = this.#buffers;
    try {
      const { nnz } = this.source.gather(rows, buffers);
      if (this.#settings.validate) this.#validate(rows);
      return nnz;
    } catch (error) {
      throw error instanceof FormatError ? this.#nameRow(error, rows) : error;
    }
  }

  #validate(rows: Float64Array): void {
    const { indices, indptr } = this.#buffers;
    for (let i = 0; i < rows.length; i++) {
      const [begin, end] = [indptr[i] as number, indptr[i + 1] as number];
      const row = rows[i] as number;
      this.#namingFile(row, () => {
        checkColumns(indices, begin, end, this.source.nVars, row, "data set");
      });
    }
  }

  /** Reads a row that turned out damaged again, the way that tells which file it is of. */
  #namingFile(row: number, check: () => void): void {
    try {
      check();
    } catch (error) {
      if (error instanceof FormatError) this.source.row?.(row);
      throw error;
    }
  }

  /** Reads the rows one by one to find the damaged one, unless the error tells it already. */
  #nameRow(error: FormatError, rows: Float64Array): FormatError {
    if (/\brow \d/.test(error.message)) return error;
    for (const row of rows) {
      try {
        this.source.gather([row], this.#buffers);
      } catch (single) {
        if (!(single instanceof FormatError)) return error;
        const { code, path, suggestions, offset } = single;
        const text = single.message.slice(path.length + 2).replace(/ \(byte \d+\)$/, "");
        return new FormatError(code, `row ${row}: ${text}`, {
          path,
          suggestions,
          cause: error,
          ...(offset === undefined ? {} : { offset }),
        });
      }
    }
    return error;
  }
}

function denseArray(example: MatrixData, length: number, memory?: ArrayBuffer): MatrixData {
  const create = example.constructor as new (from: ArrayBuffer | number) => MatrixData;
  const enough = memory !== undefined && memory.byteLength >= length * example.BYTES_PER_ELEMENT;
  return new create(enough ? memory : length);
}
