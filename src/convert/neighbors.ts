import { castKernel, precisionLoss } from "../../formats/common/cast.ts";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { MatrixReader } from "../../formats/h5ad/matrix.ts";
import { RowPointerWriter } from "./row-pointers.ts";
import { SequentialWriter } from "./sequential-writer.ts";

export interface NeighborPaths {
  readonly indices: string;
  readonly indptr: string;
  readonly values: string;
}

/**
 * Writes the neighbour matrices of all inputs, one after another, as the original's three files
 * (uint32, uint64, float32). Neighbours of later files are shifted to their rows of the whole.
 */
export class NeighborWriter {
  readonly #indices: SequentialWriter;
  readonly #values: SequentialWriter;
  readonly #rows: RowPointerWriter;
  readonly #blockBytes: number;
  readonly #allowLossy: boolean;

  /** The three files must exist, empty. */
  constructor(
    paths: NeighborPaths,
    options: { readonly blockBytes: number; readonly allowLossy: boolean },
  ) {
    this.#indices = new SequentialWriter(paths.indices, 0);
    this.#values = new SequentialWriter(paths.values, 0);
    this.#rows = new RowPointerWriter(paths.indptr, "uint64");
    this.#blockBytes = options.blockBytes;
    this.#allowLossy = options.allowLossy;
  }

  /** @param rowBegin row of the output where the matrix begins */
  async append(
    path: string,
    matrix: MatrixReader,
    rowBegin: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (rowBegin + matrix.shape[0] > 2 ** 32) {
      throw new InvalidArgumentError(
        "neighbors",
        path,
        `${path}: neighbour files number cells with 32 bits; there are more than 2^32 rows`,
      );
    }
    const cast = castKernel(matrix.dtype, "float32");
    const range = { blockBytes: this.#blockBytes, ...(signal ? { signal } : {}) };
    for await (const block of matrix.rowBlocks(range)) {
      const cells = Uint32Array.from(block.indices, (cell) => cell + rowBegin);
      const values = new Uint8Array(4 * block.data.length);
      const lost = cast(block.data, values);
      if (lost >= 0 && !this.#allowLossy) {
        let row = 0;
        while ((block.indptr[row + 1] ?? Number.POSITIVE_INFINITY) <= lost) row++;
        throw precisionLoss({
          path: `${path} (${matrix.path})`,
          from: matrix.dtype,
          to: "float32",
          row: block.rowBegin + row,
          column: block.indices[lost] ?? 0,
          value: block.data[lost] ?? 0,
        });
      }
      this.#indices.write(new Uint8Array(cells.buffer));
      this.#values.write(values);
      this.#rows.append(block.indptr);
    }
  }

  /** Closes the files. @returns entries for the checksums, and the number of neighbours */
  finish(): {
    readonly count: number;
    readonly indices: { readonly bytes: number; readonly crc32: number };
    readonly values: { readonly bytes: number; readonly crc32: number };
    readonly indptr: { readonly bytes: number; readonly crc32: number };
  } {
    const { bytes, crc32 } = this.#rows.finish();
    this.close();
    return {
      count: this.#rows.nnz,
      indices: this.#indices.sum,
      values: this.#values.sum,
      indptr: { bytes, crc32 },
    };
  }

  close(): void {
    this.#indices.close();
    this.#values.close();
  }
}
