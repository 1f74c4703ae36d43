/**
 * Moves one matrix into data.npy and col_ptr.npy: csr matrices whose chunks can be located go to
 * the decode pool as two jobs, everything else streams through the calling thread as row blocks.
 */
import { castKernel, precisionLoss } from "../../formats/common/cast.ts";
import {
  type DType,
  itemBytes,
  type ScdlDType,
  type UnsignedDType,
} from "../../formats/common/dtype.ts";
import { FormatError } from "../../formats/common/errors.ts";
import type { MatrixReader } from "../../formats/h5ad/matrix.ts";
import type { ArrayStorage } from "../../formats/hdf5/storage.ts";
import { castIndices } from "./cast-indices.ts";
import type { QueuedTask } from "./decode-messages.ts";
import type { DecodePool } from "./decode-pool.ts";
import {
  type ArrayJob,
  type DecodeTask,
  largestDifference,
  type TaskResult,
} from "./decode-task.ts";
import type { RowPointerWriter } from "./row-pointers.ts";
import { SequentialWriter } from "./sequential-writer.ts";
import { planTasks } from "./tasks.ts";

export interface MatrixTarget {
  readonly dataPath: string;
  readonly indicesPath: string;
  readonly dataDtype: ScdlDType;
  readonly colPtrDtype: UnsignedDType;
  /** Element of both outputs where the matrix begins. */
  readonly elementBegin: number;
  readonly tolerance: number;
  readonly allowLossy: boolean;
}

/** Checksums of what one matrix added to the two files, and its largest loss. */
export interface MatrixSum {
  readonly data: readonly FileSum[];
  readonly indices: readonly FileSum[];
  /** Null when nothing was lost. */
  readonly maxAbsDiff: number | null;
}

export interface FileSum {
  readonly bytes: number;
  readonly crc32: number;
}

/** Pointers read at a time (512 KiB). */
const POINTER_BLOCK = 1 << 16;

/** Tasks of both arrays of a csr matrix; null when a storage cannot be read in place. */
export async function locate(
  matrix: MatrixReader,
  taskElements: number,
): Promise<{ readonly data: Located; readonly indices: Located } | null> {
  const storage = await matrix.storage();
  if (storage === null) return null;
  const data = locateArray(storage.data, taskElements);
  const indices = locateArray(storage.indices, taskElements);
  return data === null || indices === null ? null : { data, indices };
}

type Located = NonNullable<ReturnType<typeof planTasks>> & { readonly storage: ArrayStorage };

function locateArray(storage: ArrayStorage, taskElements: number): Located | null {
  const planned = planTasks(storage, taskElements);
  return planned === null ? null : { ...planned, storage };
}

/** Queues the decoding of a located csr matrix; resolves when all of it is written. */
export async function decodeMatrix(
  path: string,
  matrix: MatrixReader,
  located: { readonly data: Located; readonly indices: Located },
  target: MatrixTarget,
  pool: DecodePool,
): Promise<MatrixSum> {
  const jobOf = (role: "data" | "indices"): ArrayJob => {
    const { storage, filters, chunkLength } = located[role];
    const isData = role === "data";
    return {
      role,
      path,
      from: storage.dtype,
      littleEndian: storage.littleEndian,
      filters,
      chunkLength,
      to: isData ? target.dataDtype : target.colPtrDtype,
      output: isData ? target.dataPath : target.indicesPath,
      outputBegin: target.elementBegin,
      nVars: matrix.shape[1],
      tolerance: target.tolerance,
      allowLossy: target.allowLossy,
    };
  };
  const jobs = [jobOf("data"), jobOf("indices")] as const;
  const tasks = interleave(located.data.tasks, located.indices.tasks);
  const results = await pool.run(jobs, tasks);
  const ofJob = (job: number) => results.filter((_, at) => tasks[at]?.job === job);
  const badColumn = firstBad(ofJob(1));
  if (badColumn !== null) throw await columnError(path, matrix, badColumn);
  const lost = firstBad(ofJob(0));
  if (lost !== null && !target.allowLossy) throw await lossError(path, matrix, jobs[0], lost);
  return {
    data: sums(ofJob(0)),
    indices: sums(ofJob(1)),
    maxAbsDiff: lost === null ? null : largest(ofJob(0)),
  };
}

/**
 * Tasks of both arrays by position. Neighbouring tasks write different files: two threads that
 * write one file wait for each other in the kernel.
 */
function interleave(data: readonly DecodeTask[], indices: readonly DecodeTask[]): QueuedTask[] {
  const tasks = [
    ...data.map((task) => ({ job: 0, task })),
    ...indices.map((task) => ({ job: 1, task })),
  ];
  return tasks.sort((a, b) => a.task.begin - b.task.begin || a.job - b.job);
}

function firstBad(results: readonly (TaskResult | null)[]): TaskResult["bad"] {
  for (const result of results) if (result !== null && result.bad !== null) return result.bad;
  return null;
}

function sums(results: readonly (TaskResult | null)[]): FileSum[] {
  return results.flatMap((result) =>
    result === null ? [] : [{ bytes: result.bytes, crc32: result.crc32 }],
  );
}

function largest(results: readonly (TaskResult | null)[]): number {
  let most = 0;
  for (const result of results) {
    if (result === null) continue;
    if (Number.isNaN(result.maxAbsDiff)) return Number.NaN;
    most = Math.max(most, result.maxAbsDiff);
  }
  return most;
}

/** Row pointers of a located matrix, in blocks. */
export async function copyRowPointers(
  matrix: MatrixReader,
  rows: RowPointerWriter,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [nObs] = matrix.shape;
  for (let begin = 0; begin < nObs; begin += POINTER_BLOCK) {
    signal?.throwIfAborted();
    rows.append(await matrix.indptr(begin, Math.min(nObs, begin + POINTER_BLOCK)));
  }
}

/** Converts a matrix of any storage through row blocks, row pointers included. */
export async function streamMatrix(
  path: string,
  matrix: MatrixReader,
  target: MatrixTarget,
  rows: RowPointerWriter,
  options: {
    readonly blockBytes: number;
    readonly signal: AbortSignal | undefined;
    readonly onBlock: (bytes: number, rows: number) => void;
  },
): Promise<MatrixSum> {
  const { dataDtype, colPtrDtype } = target;
  const dataItem = itemBytes(dataDtype);
  const columnItem = itemBytes(colPtrDtype);
  const cast = castKernel(matrix.dtype, dataDtype, { tolerance: target.tolerance });
  const data = new SequentialWriter(target.dataPath, target.elementBegin * dataItem);
  const indices = new SequentialWriter(target.indicesPath, target.elementBegin * columnItem);
  let maxAbsDiff: number | null = null;
  try {
    const { blockBytes, signal } = options;
    for await (const block of matrix.rowBlocks({ blockBytes, ...(signal ? { signal } : {}) })) {
      signal?.throwIfAborted();
      const values = new Uint8Array(block.data.length * dataItem);
      const columns = new Uint8Array(block.indices.length * columnItem);
      const lost = cast(block.data, values);
      if (castIndices(block.indices, columns, colPtrDtype, matrix.shape[1]) >= 0) {
        throw new FormatError("bad-column", `${matrix.path} has a column out of range`, { path });
      }
      if (lost >= 0) {
        if (!target.allowLossy) {
          let row = 0;
          while ((block.indptr[row + 1] ?? Number.POSITIVE_INFINITY) <= lost) row++;
          throw precisionLoss({
            path,
            from: matrix.dtype,
            to: dataDtype,
            row: block.rowBegin + row,
            column: block.indices[lost] ?? 0,
            value: block.data[lost] ?? 0,
          });
        }
        const difference = largestDifference(block.data, values, dataDtype);
        maxAbsDiff = Math.max(maxAbsDiff ?? 0, difference);
      }
      data.write(values);
      indices.write(columns);
      rows.append(block.indptr);
      options.onBlock(values.byteLength + columns.byteLength, block.rowEnd - block.rowBegin);
    }
  } finally {
    data.close();
    indices.close();
  }
  return { data: [data.sum], indices: [indices.sum], maxAbsDiff };
}

// Errors that name a place -------------------------------------------------------------------

async function columnError(
  path: string,
  matrix: MatrixReader,
  bad: NonNullable<TaskResult["bad"]>,
): Promise<FormatError> {
  const row = await rowOf(matrix, bad.element);
  return new FormatError(
    "bad-column",
    `${matrix.path}: row ${row} has column ${bad.value}, expected 0 to ${matrix.shape[1] - 1}`,
    { path },
  );
}

async function lossError(
  path: string,
  matrix: MatrixReader,
  job: ArrayJob,
  bad: NonNullable<TaskResult["bad"]>,
): Promise<Error> {
  const row = await rowOf(matrix, bad.element);
  const begin = (await matrix.indptr(row, row + 1))[0] ?? 0;
  let column = -1;
  for await (const block of matrix.rowBlocks({ begin: row, end: row + 1 })) {
    column = block.indices[bad.element - begin] ?? -1;
  }
  const from: DType = job.from;
  return precisionLoss({ path, from, to: job.to, row, column, value: bad.value });
}

/** The row that holds a stored value: the last one that begins at or before it and is not empty. */
async function rowOf(matrix: MatrixReader, element: number): Promise<number> {
  const [nObs] = matrix.shape;
  for (let begin = 0; begin < nObs; begin += POINTER_BLOCK) {
    const pointers = await matrix.indptr(begin, Math.min(nObs, begin + POINTER_BLOCK));
    if ((pointers.at(-1) ?? 0) <= element) continue;
    let row = 0;
    while ((pointers[row + 1] ?? Number.POSITIVE_INFINITY) <= element) row++;
    return begin + row;
  }
  return nObs;
}
