import fs from "node:fs";
import path from "node:path";
import type { ScdlDType, UnsignedDType } from "../../formats/common/dtype.ts";
import type { MatrixData } from "../../formats/csr/csr-matrix.ts";
import type { DatasetArchive, FeatureTables, VarBlock } from "../../src/dataset/dataset-archive.ts";

export interface RawArchiveContent {
  /** As on disk: float16 as a Uint16Array of bit patterns. */
  readonly data: MatrixData;
  readonly indices: MatrixData;
  readonly indptr: MatrixData;
  readonly dtypes: { data: ScdlDType; indices: UnsignedDType; indptr: UnsignedDType };
  readonly nVars: number;
  readonly varBlocks?: readonly VarBlock[];
  readonly neighbors?: {
    readonly indices: Uint32Array;
    readonly indptr: BigUint64Array;
    readonly values: Float32Array;
  };
  readonly obs?: FeatureTables;
  readonly var?: FeatureTables;
}

/** Writes the arrays of a data set and describes them: an archive without its header. */
export function writeRawArchive(directory: string, content: RawArchiveContent): DatasetArchive {
  fs.mkdirSync(directory, { recursive: true });
  const nObs = content.indptr.length - 1;
  const write = (name: string, array: MatrixData, dtype: ScdlDType) => {
    const file = path.join(directory, name);
    fs.writeFileSync(file, new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    return { path: file, dtype, length: array.length };
  };
  const { neighbors } = content;
  return {
    directory,
    nObs,
    nnz: content.data.length,
    data: write("data.npy", content.data, content.dtypes.data),
    indices: write("col_ptr.npy", content.indices, content.dtypes.indices),
    indptr: write("row_ptr.npy", content.indptr, content.dtypes.indptr),
    neighbors:
      neighbors === undefined
        ? null
        : {
            indices: write("neighbor_indices.npy", neighbors.indices, "uint32"),
            indptr: write("neighbor_indptr.npy", neighbors.indptr, "uint64"),
            values: write("neighbor_values.npy", neighbors.values, "float32"),
          },
    obs: content.obs ?? null,
    var: content.var ?? null,
    varBlocks: content.varBlocks ?? [
      { rowBegin: 0, rowEnd: nObs, nVars: content.nVars, label: null },
    ],
  };
}
