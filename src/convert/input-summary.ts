import * as arrow from "apache-arrow";
import { FormatError, NotFoundError } from "../../formats/common/errors.ts";
import type { FrameReader } from "../../formats/h5ad/frame.ts";
import { H5adFile } from "../../formats/h5ad/h5ad-file.ts";
import type { MatrixReader } from "../../formats/h5ad/matrix.ts";
import { type FrameSelection, selectColumns, selectedBatches } from "./frame-selection.ts";
import type { ConvertOptions } from "./options.ts";
import type { InputSummary } from "./plan.ts";
import { isSameVar } from "./var-blocks.ts";

/** One input, open, with what of it is converted. */
export interface OpenInput {
  readonly file: H5adFile;
  readonly matrix: MatrixReader;
  readonly matrixName: string;
  readonly obs: FrameSelection;
  readonly var: FrameSelection;
  readonly neighbors: MatrixReader | null;
}

/** Opens a file and chooses matrix, columns and neighbours. The caller closes `file`. */
export async function openInput(path: string, options: ConvertOptions): Promise<OpenInput> {
  const { signal, onWarning } = options;
  const file = await H5adFile.open(path, signal === undefined ? {} : { signal });
  try {
    const { matrix, name } = chooseMatrix(file, options.matrix ?? "raw");
    const varFrame = name === "raw" && file.raw !== null ? file.raw.varFrame : file.varFrame;
    checkRows(path, matrix, file.obsFrame, varFrame);
    const common = { dropIndex: options.dropIndex ?? false, signal, onWarning };
    const obs = await selectColumns(file.obsFrame, path, {
      ...common,
      indexName: "obs_feature_id",
      columns: options.obsColumns,
    });
    const selectedVar = await selectColumns(varFrame, path, {
      ...common,
      indexName: "var_feature_id",
      columns: options.varColumns,
    });
    const neighbors =
      options.neighbors === undefined ? null : chooseNeighbors(file, options.neighbors);
    return { file, matrix, matrixName: name, obs, var: selectedVar, neighbors };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function chooseMatrix(file: H5adFile, wanted: string): { matrix: MatrixReader; name: string } {
  // 10x files hold raw counts and nothing else, under the name X.
  if (wanted === "raw" && file.format !== "anndata" && file.X !== null) {
    return { matrix: file.X, name: "X" };
  }
  const names = file.matrixNames;
  if (wanted === "raw" && file.raw === null && names.length > 0) {
    throw new NotFoundError("no-such-matrix", `${file.path}: no raw counts (raw/X)`, {
      what: "raw",
      available: names,
      suggestions: names.map((name) => `--matrix ${name} converts ${name}`),
    });
  }
  return { matrix: file.matrix(wanted), name: wanted === "raw/X" ? "raw" : wanted };
}

function checkRows(
  path: string,
  matrix: MatrixReader,
  obs: FrameReader,
  varFrame: FrameReader,
): void {
  const [nObs, nVars] = matrix.shape;
  if (nObs !== obs.nRows || nVars !== varFrame.nRows) {
    throw new FormatError(
      "wrong-shape",
      `${matrix.path} is ${nObs} x ${nVars}, obs has ${obs.nRows} rows and var ${varFrame.nRows}`,
      { path },
    );
  }
}

function chooseNeighbors(file: H5adFile, key: string): MatrixReader {
  const found = file.obsp.get(key);
  if (found !== undefined) return found;
  throw new NotFoundError("no-such-key", `${file.path}: no neighbour matrix obsp/${key}`, {
    what: key,
    available: [...file.obsp.keys()],
    suggestions: [
      file.obsp.size > 0 ? "--neighbors with one of these" : "leave --neighbors out: obsp is empty",
    ],
  });
}

/** Var features of an input as one table (genes, so it fits in memory). */
async function varTable(input: OpenInput, signal?: AbortSignal): Promise<arrow.Table> {
  const batches: arrow.RecordBatch[] = [];
  for await (const batch of selectedBatches(input.var, signal)) batches.push(batch);
  return batches.length > 0 ? new arrow.Table(batches) : new arrow.Table(input.var.schema);
}

export interface PlannedInput extends InputSummary {
  readonly matrixName: string;
  readonly varSchema: arrow.Schema;
  /** Still open when it is the only input: opening takes longer than converting a small file. */
  readonly open: OpenInput | null;
}

/** What planning needs of each input, opening one at a time. */
export async function summarizeInputs(
  paths: readonly string[],
  options: ConvertOptions,
  onFile: (path: string) => void,
): Promise<PlannedInput[]> {
  const summaries: PlannedInput[] = [];
  let previousVar: arrow.Table | null = null;
  for (const path of paths) {
    options.signal?.throwIfAborted();
    onFile(path);
    const input = await openInput(path, options);
    try {
      const [nObs, nVars] = input.matrix.shape;
      const table: arrow.Table | null =
        paths.length > 1 && nObs > 0 ? await varTable(input, options.signal) : null;
      summaries.push({
        path,
        nObs,
        nVars,
        nnz: input.matrix.nnz ?? null,
        dtype: input.matrix.dtype,
        obsSchema: input.obs.schema,
        varSchema: input.var.schema,
        hasVarOfPrevious: table !== null && previousVar !== null && isSameVar(previousVar, table),
        neighbors: input.neighbors === null ? null : (input.neighbors.nnz ?? null),
        matrixName: input.matrixName,
        open: paths.length === 1 ? input : null,
      });
      if (table !== null) previousVar = table;
    } finally {
      if (summaries.at(-1)?.open !== input) await input.file.close();
    }
  }
  return summaries;
}
