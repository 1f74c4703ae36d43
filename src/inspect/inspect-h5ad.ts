import { stat } from "node:fs/promises";
import { ScdlError } from "../../formats/common/errors.ts";
import type { FrameReader } from "../../formats/h5ad/frame.ts";
import { H5adFile } from "../../formats/h5ad/h5ad-file.ts";
import type { MatrixReader } from "../../formats/h5ad/matrix.ts";
import type { Problem } from "../../formats/scdl/verify.ts";
import { EXAMPLE_ROWS, summarizeColumns } from "./columns.ts";
import type { InspectOptions } from "./inspect.ts";
import type { ColumnSummary, Distributions, InspectReport, RowSummary } from "./report.ts";
import { describeTotals, rowSummary } from "./row-report.ts";
import { RowTotals, sampleRows } from "./row-sample.ts";

/** Rows of a csc matrix come from one pass over all of it: only worth it while it is small. */
const MAX_CSC_VALUES = 20_000_000;

/** Describes an AnnData or 10x file by its main matrix: raw if there is one, else X, else a layer. */
export async function inspectH5ad(path: string, options: InspectOptions): Promise<InspectReport> {
  const { signal } = options;
  await using file = await H5adFile.open(path, signal === undefined ? {} : { signal });
  const [name] = file.matrixNames;
  const matrix = name === undefined ? null : file.matrix(name);
  const varFrame = name === "raw" && file.raw !== null ? file.raw.varFrame : file.varFrame;
  const bytesOnDisk = (await stat(path)).size;

  const problems = options.verify === true ? await verifyFile(file, options) : [];
  const sample =
    matrix === null || problems.length > 0 ? null : await sampleMatrix(matrix, options);
  const [nObs, nVars] = matrix?.shape ?? file.shape;
  const nnz = matrix?.nnz ?? sample?.exactNnz ?? null;
  const stored = nnz ?? (sample === null ? null : sample.density * nObs * nVars);
  return {
    format: file.format,
    path,
    nObs,
    nVars,
    nnz,
    sparsity: stored === null || nObs * nVars === 0 ? null : 1 - stored / (nObs * nVars),
    dtypes: { data: matrix?.dtype ?? null, rowPtr: null, colPtr: null },
    matrix: name ?? null,
    matrices: file.matrixNames.map((each) => {
      const { encoding, dtype, shape, nnz: values } = file.matrix(each);
      return { name: each, encoding, dtype, shape, nnz: values ?? null };
    }),
    obsColumns: await frameColumns(file.obsFrame),
    varColumns: await frameColumns(varFrame),
    varBlocks: [{ rowBegin: 0, rowEnd: nObs, nVars, label: null }],
    neighbors: null,
    obsm: [...file.obsm.keys()],
    varm: [...file.varm.keys()],
    obsp: [...file.obsp.keys()],
    varp: [...file.varp.keys()],
    bytesOnDisk,
    bytesPerValue: nnz ? bytesOnDisk / nnz : null,
    schemaVersion: file.encodingVersion,
    version: null,
    distributions: sample?.distributions ?? null,
    distributionsMissing: sample?.missing ?? (matrix === null ? "there is no matrix" : null),
    head: matrix === null ? [] : await headRows(file, matrix, options.head ?? 0),
    warnings: [],
    verified: options.verify === true,
    problems,
  };
}

interface Sample {
  readonly distributions: Distributions | null;
  readonly missing: string | null;
  /** Share of values other than zero in the sampled rows. */
  readonly density: number;
  /** Values other than zero when every row was read. */
  readonly exactNnz: number | null;
}

async function sampleMatrix(matrix: MatrixReader, options: InspectOptions): Promise<Sample | null> {
  const [nObs, nVars] = matrix.shape;
  if (matrix.encoding === "csc" && (matrix.nnz ?? 0) > MAX_CSC_VALUES) {
    const missing = "reading rows of a csc matrix this large takes a pass over all of it";
    return { distributions: null, missing, density: 0, exactNnz: null };
  }
  const valuesPerRow = matrix.nnz === undefined ? nVars : matrix.nnz / Math.max(1, nObs);
  const ranges =
    matrix.encoding === "csc" ? [{ begin: 0, end: nObs }] : sampleRows(nObs, valuesPerRow);
  const totals = new RowTotals();
  for (const { begin, end } of ranges) {
    const { signal } = options;
    const range = { begin, end, ...(signal === undefined ? {} : { signal }) };
    for await (const block of matrix.rowBlocks(range)) totals.add(block.data, block.indptr);
  }
  return {
    ...describeTotals(totals, nObs),
    density: totals.nonzero / Math.max(1, totals.rows * nVars),
    exactNnz: totals.rows === nObs ? totals.nonzero : null,
  };
}

async function frameColumns(frame: FrameReader): Promise<ColumnSummary[]> {
  const readable = summarizeColumns(await frame.table({ end: EXAMPLE_ROWS }));
  const unreadable = frame.columns.flatMap(({ name, unsupported }) =>
    unsupported === null ? [] : [{ name, type: "unreadable", examples: [], note: unsupported }],
  );
  return [...readable, ...unreadable];
}

async function headRows(file: H5adFile, matrix: MatrixReader, rows: number): Promise<RowSummary[]> {
  const end = Math.min(rows, matrix.shape[0]);
  if (end === 0) return [];
  const obs = await file.obs({ end });
  const found: RowSummary[] = [];
  for await (const block of matrix.rowBlocks({ begin: 0, end })) {
    for (let row = block.rowBegin; row < block.rowEnd; row++) {
      const begin = block.indptr[row - block.rowBegin] ?? 0;
      const stop = block.indptr[row - block.rowBegin + 1] ?? begin;
      found.push(rowSummary(row, block.indices, block.data, begin, stop, obs, row));
    }
  }
  return found;
}

/** Reads every matrix and every annotation once; the readers check what they read. */
async function verifyFile(file: H5adFile, options: InspectOptions): Promise<Problem[]> {
  const problems: Problem[] = [];
  const { signal } = options;
  let isStuck = false;
  const read = async (what: string, body: () => Promise<void>): Promise<void> => {
    if (isStuck) return;
    try {
      await body();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ScdlError)) throw error;
      problems.push({ severity: "error", file: what, message: error.message });
      // What makes the library hang once does so again: one time limit is enough.
      isStuck = error.code === "timed-out";
    }
  };
  const total = file.shape[0] * file.matrixNames.length;
  let rowsDone = 0;
  for (const name of file.matrixNames) {
    await read(name, async () => {
      const matrix = file.matrix(name);
      for await (const block of matrix.rowBlocks(signal === undefined ? {} : { signal })) {
        rowsDone += block.rowEnd - block.rowBegin;
        options.onProgress?.({ done: rowsDone, total, unit: "rows" });
      }
    });
  }
  const drain = async (frame: FrameReader): Promise<void> => {
    const batches = frame.batches(signal === undefined ? {} : { signal });
    while ((await batches.next()).done !== true);
  };
  await read("obs", () => drain(file.obsFrame));
  await read("var", () => drain(file.varFrame));
  const { raw } = file;
  if (raw !== null) await read("raw/var", () => drain(raw.varFrame));
  return problems;
}
