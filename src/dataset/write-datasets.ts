/**
 * Data sets on disk to one new data set on disk, in bounded memory: what `concatDatasets`,
 * `castDataset` and `saveDataset` do. The output appears in one step when everything is written.
 */
import { rmSync, statSync } from "node:fs";
import { resolve } from "node:path";
import {
  isFloat,
  type ScdlDType,
  smallestUnsigned,
  type UnsignedDType,
  widest,
} from "../../formats/common/dtype.ts";
import { IncompatibleError, InvalidArgumentError } from "../../formats/common/errors.ts";
import type { FileDigest } from "../../formats/common/output-file.ts";
import { openArchive, type ScdlArchive } from "../../formats/scdl/archive.ts";
import { ArchiveWriter } from "../../formats/scdl/archive-writer.ts";
import { ArrayScan, toNumbers } from "../../formats/scdl/array-scan.ts";
import { ARRAY_FILES } from "../../formats/scdl/layout.ts";
import {
  joinData,
  joinIndices,
  joinNeighborIndices,
  joinNeighborValues,
  joinPointers,
} from "./join-arrays.ts";
import { joinObs, joinVar } from "./join-features.ts";

export interface WriteProgress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface WriteDatasetOptions {
  /** Replace an existing output, which may be one of the inputs. Default false. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: WriteProgress) => void;
  readonly onWarning?: (message: string) => void;
}

export interface WrittenDataset {
  readonly output: string;
  readonly nObs: number;
  /** Stored values. */
  readonly nnz: number;
  readonly dtypes: {
    readonly data: ScdlDType;
    readonly indices: UnsignedDType;
    readonly indptr: UnsignedDType;
  };
}

export interface WritePlan extends WriteDatasetOptions {
  readonly inputs: readonly string[];
  readonly output: string;
  /** Default the widest of the inputs. */
  readonly dataDtype?: ScdlDType;
  readonly allowLossy?: boolean;
  readonly tolerance?: number;
  readonly removeInputs?: boolean;
}

export async function writeDatasets(plan: WritePlan): Promise<WrittenDataset> {
  const onWarning = plan.onWarning ?? (() => {});
  if (plan.inputs.length === 0) {
    throw new InvalidArgumentError("inputs", plan.inputs, "expected at least one data set");
  }
  const archives: ScdlArchive[] = [];
  for (const input of plan.inputs) archives.push(await openArchive(input, { onWarning }));
  const dataDtype = plan.dataDtype ?? widestData(archives);
  const counts = archives.map(reachableValues);
  const nnz = counts.reduce((sum, count) => sum + count, 0);
  const nObs = archives.reduce((sum, archive) => sum + archive.nObs, 0);
  const dtypes = {
    data: dataDtype,
    indices: archives.map(({ indices }) => indices.dtype).reduce((a, b) => widest(a, b)),
    indptr: smallestUnsigned(nnz),
  };
  const { overwrite = false } = plan;
  const writer = ArchiveWriter.create(plan.output, { overwrite, onWarning });
  try {
    const checksums = await writeArrays(writer, archives, counts, dtypes, plan);
    const pause = () => tick(plan.signal);
    await joinVar(archives, writer.varFeatures, pause);
    await joinObs(archives, writer.obsFeatures, pause);
    await writer.commit({ nObs, nnz, dtypes, checksums });
  } catch (error) {
    await writer.abort();
    throw error;
  }
  if (plan.removeInputs === true) {
    for (const input of plan.inputs) {
      if (resolve(input) !== resolve(plan.output)) rmSync(input, { recursive: true, force: true });
    }
  }
  return { output: plan.output, nObs, nnz, dtypes };
}

async function writeArrays(
  writer: ArchiveWriter,
  archives: readonly ScdlArchive[],
  counts: readonly number[],
  dtypes: WrittenDataset["dtypes"],
  plan: WritePlan,
): Promise<Map<string, FileDigest>> {
  const bytesTotal = archives.reduce((sum, archive) => sum + arrayBytes(archive), 0);
  let bytesDone = 0;
  const onBytes = async (bytes: number) => {
    bytesDone += bytes;
    plan.onProgress?.({ bytesDone, bytesTotal });
    await tick(plan.signal);
  };
  const onWarning = plan.onWarning ?? (() => {});
  const { data, indices, indptr } = ARRAY_FILES;
  const checksums = new Map<string, FileDigest>();
  const cast = {
    to: dtypes.data,
    allowLossy: plan.allowLossy ?? false,
    tolerance: plan.tolerance ?? 0,
    onLoss: onWarning,
  };
  const dataPath = writer.pathOf("data");
  checksums.set(data, await joinData(dataPath, archives, counts, cast, onBytes));
  const indicesPath = writer.pathOf("indices");
  const columns = await joinIndices(indicesPath, archives, counts, dtypes.indices, onBytes);
  checksums.set(indices, columns);
  const pointerFiles = archives.map((archive) => archive.indptr);
  const indptrPath = writer.pathOf("indptr");
  checksums.set(indptr, await joinPointers(indptrPath, pointerFiles, dtypes.indptr, onBytes));
  if (archives.some((archive) => archive.neighbors !== null)) {
    await writeNeighbors(writer, archives, checksums, onBytes, onWarning);
  }
  return checksums;
}

/** Rows of a data set without neighbours get none. */
async function writeNeighbors(
  writer: ArchiveWriter,
  archives: readonly ScdlArchive[],
  checksums: Map<string, FileDigest>,
  onBytes: (bytes: number) => Promise<void>,
  onWarning: (message: string) => void,
): Promise<void> {
  const pointers = archives.map(({ neighbors, nObs, directory }) => {
    if (neighbors !== null) return neighbors.indptr;
    onWarning(`${directory}: has no neighbours; its ${nObs} rows get none`);
    return { emptyRows: nObs };
  });
  const { neighborIndptr, neighborIndices, neighborValues } = ARRAY_FILES;
  const indptrPath = writer.pathOf("neighborIndptr");
  checksums.set(neighborIndptr, await joinPointers(indptrPath, pointers, "uint64", onBytes));
  const indicesPath = writer.pathOf("neighborIndices");
  checksums.set(neighborIndices, await joinNeighborIndices(indicesPath, archives, onBytes));
  const valuesPath = writer.pathOf("neighborValues");
  checksums.set(neighborValues, await joinNeighborValues(valuesPath, archives, onBytes));
}

/** @throws IncompatibleError when some data is integers and some floats. */
function widestData(archives: readonly ScdlArchive[]): ScdlDType {
  const floats = archives.filter(({ data }) => isFloat(data.dtype));
  if (floats.length > 0 && floats.length < archives.length) {
    const list = (wanted: boolean) =>
      archives
        .filter(({ data }) => isFloat(data.dtype) === wanted)
        .map(({ directory, data }) => `${directory} (${data.dtype})`)
        .join(", ");
    throw new IncompatibleError(
      "dtype-family",
      `cannot join float data (${list(true)}) with integer data (${list(false)})`,
      { suggestions: ["cast them to one family first, e.g. castDataset(directory, { dtype })"] },
    );
  }
  return archives.map(({ data }) => data.dtype).reduce((a, b) => widest(a, b));
}

/** Values that rows reach: all of them but in a data set that was created empty. */
function reachableValues({ indptr, nObs }: ScdlArchive): number {
  using scan = new ArrayScan(indptr, 1, nObs);
  return toNumbers(scan.next(), indptr.dtype, indptr.path)[0] ?? 0;
}

function arrayBytes({ data, indices, indptr, neighbors }: ScdlArchive): number {
  const files = [data, indices, indptr];
  const more = neighbors === null ? [] : [neighbors.indptr, neighbors.indices, neighbors.values];
  return [...files, ...more].reduce((sum, { path }) => sum + statSync(path).size, 0);
}

/** Lets the event loop and an abort have their turn. */
async function tick(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}
