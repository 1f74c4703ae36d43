/** Streams the arrays of several data sets into those of one, in buffers of fixed size. */
import { type CastKernel, castKernel, precisionLoss } from "../../formats/common/cast.ts";
import { itemBytes, type ScdlDType, type UnsignedDType } from "../../formats/common/dtype.ts";
import { FormatError, IncompatibleError } from "../../formats/common/errors.ts";
import { numbersOf } from "../../formats/common/numbers.ts";
import { type FileDigest, OutputFile } from "../../formats/common/output-file.ts";
import type { ArrayFile, ScdlArchive } from "../../formats/scdl/archive.ts";
import { ArrayScan, toNumbers } from "../../formats/scdl/array-scan.ts";

/** Elements per read. */
const CHUNK_LENGTH = 1 << 20;

/** Called after every chunk; may throw to stop. */
export type OnBytes = (bytes: number) => Promise<void>;

export interface DataCast {
  readonly to: ScdlDType;
  readonly allowLossy: boolean;
  readonly tolerance: number;
  /** Hears of the first value lost in each data set, when that is allowed. */
  readonly onLoss: (message: string) => void;
}

/** data.npy: the first `counts[i]` values of each data set, cast. */
export async function joinData(
  path: string,
  archives: readonly ScdlArchive[],
  counts: readonly number[],
  cast: DataCast,
  onBytes: OnBytes,
): Promise<FileDigest> {
  return written(path, async (output) => {
    for (const [i, archive] of archives.entries()) {
      const { data } = archive;
      const kernel = castKernel(data.dtype, cast.to, { tolerance: cast.tolerance });
      let warned = false;
      await copyCast(data, counts[i] ?? 0, kernel, cast.to, output, onBytes, (at, value) => {
        if (warned) return;
        const error = precisionLoss({
          path: data.path,
          from: data.dtype,
          to: cast.to,
          ...placeOf(archive, at),
          value,
        });
        if (!cast.allowLossy) throw error;
        warned = true;
        cast.onLoss(`${error.message}; stored as a C cast gives it`);
      });
    }
  });
}

/** col_ptr.npy: the first `counts[i]` columns of each data set, widened. */
export async function joinIndices(
  path: string,
  archives: readonly ScdlArchive[],
  counts: readonly number[],
  to: UnsignedDType,
  onBytes: OnBytes,
): Promise<FileDigest> {
  return written(path, async (output) => {
    for (const [i, { indices }] of archives.entries()) {
      const kernel = castKernel(indices.dtype, to);
      await copyCast(indices, counts[i] ?? 0, kernel, to, output, onBytes, () => {});
    }
  });
}

/** Row pointers of all data sets after one another: 0, then each one's without its first, shifted. */
export async function joinPointers(
  path: string,
  files: readonly (ArrayFile<UnsignedDType> | { readonly emptyRows: number })[],
  to: UnsignedDType,
  onBytes: OnBytes,
): Promise<FileDigest> {
  return written(path, async (output) => {
    output.write(encodeUnsigned(Float64Array.of(0), to));
    let shift = 0;
    for (const file of files) {
      if ("emptyRows" in file) {
        for (let row = 0; row < file.emptyRows; row += CHUNK_LENGTH) {
          const rows = Math.min(CHUNK_LENGTH, file.emptyRows - row);
          output.write(encodeUnsigned(new Float64Array(rows).fill(shift), to));
          await onBytes(0);
        }
        continue;
      }
      using scan = new ArrayScan(file, CHUNK_LENGTH);
      let previous = 0;
      while (scan.position < scan.length) {
        const first = scan.position === 0 ? 1 : 0;
        const bytes = scan.next();
        const pointers = Float64Array.from(toNumbers(bytes, file.dtype, file.path));
        for (let i = 0; i < pointers.length; i++) {
          const pointer = pointers[i] as number;
          if (pointer < previous) {
            throw new FormatError(
              "bad-indptr",
              `expected row pointers that do not go down, found ${previous} then ${pointer}`,
              { path: file.path },
            );
          }
          previous = pointer;
          pointers[i] = pointer + shift;
        }
        output.write(encodeUnsigned(pointers.subarray(first), to));
        await onBytes(bytes.byteLength);
      }
      shift += previous;
    }
  });
}

/** neighbor_indices.npy: row numbers of each data set moved to where its rows now are. */
export async function joinNeighborIndices(
  path: string,
  archives: readonly ScdlArchive[],
  onBytes: OnBytes,
): Promise<FileDigest> {
  return written(path, async (output) => {
    let rowBegin = 0;
    for (const { neighbors, nObs } of archives) {
      if (rowBegin + nObs > 2 ** 32) {
        throw new IncompatibleError(
          "too-many-rows",
          `neighbour files hold 32-bit row numbers, there are ${rowBegin + nObs} rows`,
        );
      }
      if (neighbors !== null) {
        const { indices } = neighbors;
        using scan = new ArrayScan(indices, CHUNK_LENGTH);
        while (scan.position < scan.length) {
          const bytes = scan.next();
          const shifted = Uint32Array.from(toNumbers(bytes, indices.dtype, indices.path));
          for (let i = 0; i < shifted.length; i++) {
            const row = shifted[i] as number;
            if (row >= nObs) {
              throw new FormatError("bad-neighbour", `expected rows below ${nObs}, found ${row}`, {
                path: indices.path,
              });
            }
            shifted[i] = row + rowBegin;
          }
          output.write(new Uint8Array(shifted.buffer));
          await onBytes(bytes.byteLength);
        }
      }
      rowBegin += nObs;
    }
  });
}

/** neighbor_values.npy. */
export async function joinNeighborValues(
  path: string,
  archives: readonly ScdlArchive[],
  onBytes: OnBytes,
): Promise<FileDigest> {
  return written(path, async (output) => {
    for (const { neighbors } of archives) {
      if (neighbors === null) continue;
      const { values } = neighbors;
      const kernel = castKernel(values.dtype, "float32");
      await copyCast(values, values.length, kernel, "float32", output, onBytes, () => {});
    }
  });
}

async function written(
  path: string,
  write: (output: OutputFile) => Promise<void>,
): Promise<FileDigest> {
  const output = OutputFile.create(path);
  try {
    await write(output);
    return output.finish();
  } finally {
    output.close();
  }
}

async function copyCast(
  file: ArrayFile,
  count: number,
  kernel: CastKernel,
  to: ScdlDType,
  output: OutputFile,
  onBytes: OnBytes,
  onLoss: (index: number, value: number | bigint) => void,
): Promise<void> {
  using scan = new ArrayScan(file, CHUNK_LENGTH);
  const target = new Uint8Array(CHUNK_LENGTH * itemBytes(to));
  while (scan.position < count) {
    const begin = scan.position;
    const bytes = scan.next(count - begin);
    if (file.dtype === to) {
      output.write(bytes);
    } else {
      const source = numbersOf(bytes, file.dtype, true);
      const lost = kernel(source, target);
      if (lost >= 0) onLoss(begin + lost, source[lost] as number | bigint);
      output.write(target.subarray(0, source.length * itemBytes(to)));
    }
    await onBytes(bytes.byteLength);
  }
}

function encodeUnsigned(values: Float64Array, dtype: UnsignedDType): Uint8Array {
  const bytes = new Uint8Array(values.length * itemBytes(dtype));
  castKernel("float64", dtype)(values, bytes);
  return bytes;
}

/** Row and column of stored value `at`. */
function placeOf(archive: ScdlArchive, at: number): { row: number; column: number } {
  let low = 0;
  let high = archive.nObs - 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (elementAt(archive.indptr, middle + 1) > at) high = middle;
    else low = middle + 1;
  }
  return { row: low, column: elementAt(archive.indices, at) };
}

function elementAt(file: ArrayFile<UnsignedDType>, at: number): number {
  using scan = new ArrayScan(file, 1, at);
  return toNumbers(scan.next(), file.dtype, file.path)[0] ?? 0;
}
