import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromFsError } from "../../formats/common/errors.ts";
import { openArchive, type ScdlArchive } from "../../formats/scdl/archive.ts";
import type { FeatureIndex } from "../../formats/scdl/feature-index.ts";
import { type Problem, verifyArchive } from "../../formats/scdl/verify.ts";
import { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import { EXAMPLE_ROWS, summarizeColumns } from "./columns.ts";
import type { InspectOptions } from "./inspect.ts";
import type { ColumnSummary, InspectReport, NeighborSummary, RowSummary } from "./report.ts";
import { describeTotals, rowSummary } from "./row-report.ts";
import { RowTotals, sampleRows } from "./row-sample.ts";

/** Describes an SCDL data set; an archive of an older version is described with warnings. */
export async function inspectScdl(
  directory: string,
  options: InspectOptions,
): Promise<InspectReport> {
  const warnings: string[] = [];
  const onWarning = (message: string): void => void warnings.push(message);
  const archive = await openArchive(directory, { onWarning });
  const problems = options.verify === true ? await verify(directory, options) : [];
  using dataset = SingleCellDataset.fromArchive(archive, { onWarning });
  // Rows of a damaged data set may not be readable; its problems say more than a stack of errors.
  const readable = !problems.some(({ severity }) => severity === "error");
  const totals = new RowTotals();
  if (readable) {
    for (const { begin, end } of sampleRows(
      dataset.nObs,
      dataset.nnz / Math.max(1, dataset.nObs),
    )) {
      options.signal?.throwIfAborted();
      // Sums do not ask which column a value is in.
      for (const block of dataset.rowBlocks({ begin, end, validate: false })) {
        totals.add(block.data, block.indptr);
      }
    }
  }
  const described = readable
    ? describeTotals(totals, dataset.nObs)
    : { distributions: null, missing: "the data set has problems" };
  const bytesOnDisk = await folderBytes(directory);
  return {
    format: "scdl",
    path: directory,
    nObs: dataset.nObs,
    nVars: dataset.nVars,
    nnz: dataset.nnz,
    sparsity: dataset.nValues === 0 ? null : dataset.sparsity,
    dtypes: {
      data: dataset.dtypes.data,
      rowPtr: dataset.dtypes.indptr,
      colPtr: dataset.dtypes.indices,
    },
    matrix: null,
    matrices: [],
    obsColumns: await indexColumns(archive.obs),
    varColumns: await indexColumns(archive.var),
    varBlocks: dataset.varBlocks,
    neighbors: readable ? neighborSummary(dataset) : null,
    obsm: [],
    varm: [],
    obsp: [],
    varp: [],
    bytesOnDisk,
    bytesPerValue: dataset.nnz === 0 ? null : bytesOnDisk / dataset.nnz,
    schemaVersion: archive.schemaVersion,
    version: archive.version,
    distributions: described.distributions,
    distributionsMissing: described.missing,
    head: readable ? await headRows(dataset, archive, options.head ?? 0) : [],
    warnings,
    verified: options.verify === true,
    problems,
  };
}

function verify(directory: string, options: InspectOptions): Promise<Problem[]> {
  const { signal, onProgress } = options;
  return verifyArchive(directory, {
    ...(signal === undefined ? {} : { signal }),
    onProgress: ({ bytesDone, bytesTotal }) =>
      onProgress?.({ done: bytesDone, total: bytesTotal, unit: "bytes" }),
  });
}

/** Columns of every block, each described where it first appears. */
async function indexColumns(index: FeatureIndex | null): Promise<ColumnSummary[]> {
  const columns = new Map<string, ColumnSummary>();
  for (let block = 0; block < (index?.nBlocks ?? 0); block++) {
    if (index === null || index.columns(block).every((name) => columns.has(name))) continue;
    const end = Math.min(EXAMPLE_ROWS, index.tableRows(block));
    for (const column of summarizeColumns(await index.table(block, { begin: 0, end }))) {
      if (!columns.has(column.name)) columns.set(column.name, column);
    }
  }
  return [...columns.values()];
}

function neighborSummary(dataset: SingleCellDataset): NeighborSummary | null {
  const stats = dataset.neighbors?.stats();
  if (stats === undefined) return null;
  return {
    connections: stats.totalConnections,
    minPerCell: stats.minNeighborsPerCell,
    maxPerCell: stats.maxNeighborsPerCell,
    cellsWithout: stats.cellsWithNoNeighbors,
  };
}

async function headRows(
  dataset: SingleCellDataset,
  archive: ScdlArchive,
  rows: number,
): Promise<RowSummary[]> {
  const { obs } = archive;
  const found: RowSummary[] = [];
  for (let row = 0; row < Math.min(rows, dataset.nObs); row++) {
    const { data, indices } = dataset.row(row);
    const block = obs?.blockOf(row) ?? 0;
    const at = row - (obs?.cumulative[block] ?? 0);
    const table = (await obs?.table(block, { begin: at, end: at + 1 })) ?? null;
    found.push(rowSummary(row, indices, data, 0, data.length, table, 0));
  }
  return found;
}

async function folderBytes(directory: string): Promise<number> {
  try {
    let bytes = 0;
    for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
    }
    return bytes;
  } catch (error) {
    throw fromFsError(error, directory);
  }
}
