import { randomBytes } from "node:crypto";
import fs from "node:fs";
import type { File as H5File } from "h5wasm/node";
import { fromFsError, InvalidArgumentError, StorageError } from "../../formats/common/errors.ts";
import { outputTarget } from "../../formats/scdl/directory-swap.ts";
import { CountModel } from "./count-model.ts";
import {
  createGroup,
  encode,
  GrowingArray,
  GrowingStrings,
  h5pyChunkLength,
  type SinkOptions,
  writeArray,
} from "./h5ad-sink.ts";

/** Types the count matrix can be stored in. */
export const SIMULATED_DTYPES = ["float32", "float64", "int32", "uint16", "uint32"] as const;
export type SimulatedDType = (typeof SIMULATED_DTYPES)[number];

export interface SimulateOptions {
  readonly output: string;
  readonly nObs: number;
  readonly nVars: number;
  /** Expected stored values per cell; default 6 % of the genes, as droplet data has. */
  readonly nnzPerCell?: number;
  /** Where the counts go: `raw/X` (default; what a conversion reads by default) or `X`. */
  readonly matrix?: "raw" | "X";
  /** Default float32. */
  readonly dtype?: SimulatedDType;
  /** gzip level 1-9, or null for no compression; default 4, as h5py. */
  readonly gzip?: number | null;
  /** Same options and seed, same values. Default 0. */
  readonly seed?: number;
  /** Replace an existing file. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SimulateProgress) => void;
}

export interface SimulateProgress {
  readonly rows: number;
  readonly totalRows: number;
}

export interface SimulateResult {
  readonly path: string;
  readonly nObs: number;
  readonly nVars: number;
  readonly nnz: number;
  readonly bytes: number;
  readonly matrix: "raw" | "X";
}

/** Cells drawn between two looks at the signal. */
const CELLS_PER_TURN = 256;

/**
 * Writes a synthetic AnnData file (encoding 0.1.0): csr counts, obs (cell_type, donor, n_counts,
 * n_genes, pct_mito) and var (gene_name, dispersion, n_cells).
 *
 * Streams cell by cell: memory does not grow with `nObs`. The file appears under its name only
 * when complete. Rejects with {@link InvalidArgumentError}, {@link StorageError}, or
 * `signal.reason` after removing what was written.
 */
export async function simulateH5ad(options: SimulateOptions): Promise<SimulateResult> {
  const settings = validate(options);
  const output = outputTarget(options.output);
  const temporary = `${output}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  if (fs.existsSync(output) && options.overwrite !== true) {
    throw new StorageError("already-exists", "already exists", {
      path: options.output,
      suggestions: ["choose another name", "pass --overwrite to replace it"],
    });
  }
  claim(temporary, options.output);
  try {
    const h5wasm = await import("h5wasm/node");
    const module = await h5wasm.ready;
    module.activate_throwing_error_handler();
    const file = new h5wasm.File(temporary, "w");
    let nnz: number;
    try {
      nnz = await writeFile(file, settings, options);
    } finally {
      file.close();
    }
    fs.renameSync(temporary, output);
    const { nObs, nVars, matrix } = settings;
    return { path: options.output, nObs, nVars, nnz, bytes: fs.statSync(output).size, matrix };
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    if (options.signal?.aborted) throw options.signal.reason;
    throw writeError(error, options.output);
  }
}

/** The HDF5 library reports what the system refused as one line of a long text. */
function writeError(error: unknown, output: string): unknown {
  const [, reason] =
    error instanceof Error ? (/error message = '([^']*)'/.exec(error.message) ?? []) : [];
  if (reason === undefined) return fromFsError(error, output);
  const isFull = /no space|too large|quota/i.test(reason);
  return new StorageError(isFull ? "disk-full" : "io", `cannot be written: ${reason}`, {
    path: output,
    suggestions: [isFull ? "free space and run again" : "choose another place"],
    cause: error,
  });
}

interface Settings {
  readonly nObs: number;
  readonly nVars: number;
  readonly nnzPerCell: number;
  readonly matrix: "raw" | "X";
  readonly dtype: SimulatedDType;
  readonly gzip: number | null;
  readonly seed: number;
}

function validate(options: SimulateOptions): Settings {
  const count = (name: string, value: number, most: number) => {
    if (!Number.isSafeInteger(value) || value < 1 || value > most) {
      throw new InvalidArgumentError(name, value, `${name} must be an integer of 1 to ${most}`);
    }
    return value;
  };
  const nObs = count("nObs", options.nObs, 2 ** 40);
  const nVars = count("nVars", options.nVars, 2 ** 24);
  const nnzPerCell = options.nnzPerCell ?? Math.max(1, nVars * 0.06);
  if (!(nnzPerCell > 0 && nnzPerCell <= nVars * 0.9)) {
    throw new InvalidArgumentError(
      "nnzPerCell",
      nnzPerCell,
      `values per cell must be above 0 and at most 0.9 x genes (${0.9 * nVars})`,
    );
  }
  const gzip = options.gzip === undefined ? 4 : options.gzip;
  if (gzip !== null && !(Number.isInteger(gzip) && gzip >= 1 && gzip <= 9)) {
    throw new InvalidArgumentError("gzip", gzip, "gzip level must be an integer of 1 to 9");
  }
  const seed = options.seed ?? 0;
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new InvalidArgumentError("seed", seed, "seed must be an integer of 0 to 2^53-1");
  }
  const dtype = options.dtype ?? "float32";
  return { nObs, nVars, nnzPerCell, matrix: options.matrix ?? "raw", dtype, gzip, seed };
}

/** Creates the file with node first: h5wasm's own errors do not say why a path cannot be written. */
function claim(file: string, output: string): void {
  try {
    fs.closeSync(fs.openSync(file, "wx"));
  } catch (error) {
    throw fromFsError(error, output);
  }
}

async function writeFile(
  file: H5File,
  settings: Settings,
  options: SimulateOptions,
): Promise<number> {
  const { nObs, nVars, gzip } = settings;
  encode(file, "anndata");
  const model = new CountModel(settings);
  const groups = ["layers", "obsm", "obsp", "uns", "varm", "varp"];
  for (const name of groups) createGroup(file, name, "dict");
  const prefix = settings.matrix === "raw" ? "raw/" : "";
  if (settings.matrix === "raw") {
    createGroup(file, "raw", "raw");
    createGroup(file, "raw/varm", "dict");
  }

  const matrix = createGroup(file, `${prefix}X`, "csr_matrix");
  const shape = BigInt64Array.of(BigInt(nObs), BigInt(nVars));
  matrix.create_attribute("shape", shape, [2], "<q");
  const expectedNnz = Math.ceil(nObs * settings.nnzPerCell);
  const matrixSink: SinkOptions = { chunk: h5pyChunkLength(expectedNnz, 4), gzip };
  const data = new GrowingArray(file, `${prefix}X/data`, settings.dtype, matrixSink);
  const indices = new GrowingArray(file, `${prefix}X/indices`, "int32", matrixSink);
  const rowSink: SinkOptions = { chunk: h5pyChunkLength(nObs, 4), gzip };
  const indptr = new GrowingArray(file, `${prefix}X/indptr`, "int64", rowSink);
  const obs = new ObsSink(file, rowSink, nObs);

  const counts = new Uint32Array(nVars);
  const mask = new Uint32Array((nVars + 31) >>> 5);
  const cellsPerGene = new Int32Array(nVars);
  const largest = settings.dtype === "uint16" ? 0xffff : 2 ** 24;
  let nnz = 0;
  indptr.push(0n);
  for (let cell = 0; cell < nObs; cell++) {
    if (cell % CELLS_PER_TURN === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      options.signal?.throwIfAborted();
      options.onProgress?.({ rows: cell, totalRows: nObs });
    }
    const { type, donor } = model.draw(cell, counts, mask);
    let total = 0;
    let mito = 0;
    let genes = 0;
    for (let word = 0; word < mask.length; word++) {
      let bits = mask[word] as number; // proof: word < mask.length
      mask[word] = 0;
      while (bits !== 0) {
        const gene = (word << 5) + 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        const count = Math.min(counts[gene] as number, largest); // proof: only bits of genes are set
        counts[gene] = 0;
        cellsPerGene[gene] = (cellsPerGene[gene] as number) + 1; // proof: same
        data.push(count);
        indices.push(gene);
        total += count;
        genes++;
        if (model.mitochondrial[gene] === 1) mito += count;
      }
    }
    nnz += genes;
    indptr.push(BigInt(nnz));
    obs.push(cell, type, donor, total, genes, total === 0 ? 0 : (100 * mito) / total);
  }
  data.finish();
  indices.finish();
  indptr.finish();
  obs.finish();
  writeVar(file, "var", model, cellsPerGene);
  if (settings.matrix === "raw") writeVar(file, "raw/var", model, cellsPerGene);
  options.onProgress?.({ rows: nObs, totalRows: nObs });
  return nnz;
}

/** The obs frame, grown row by row. */
class ObsSink {
  readonly #index: GrowingStrings;
  readonly #digits: number;
  readonly #types: GrowingArray<"int8">;
  readonly #donors: GrowingArray<"int8">;
  readonly #counts: GrowingArray<"float32">;
  readonly #genes: GrowingArray<"int32">;
  readonly #mito: GrowingArray<"float32">;

  constructor(file: H5File, sink: SinkOptions, nObs: number) {
    const frame = createGroup(file, "obs", "dataframe");
    frame.create_attribute("_index", "_index", null, "S");
    const columns = ["cell_type", "donor", "n_counts", "n_genes", "pct_mito"];
    frame.create_attribute("column-order", columns, [columns.length], "S");
    this.#digits = Math.max(6, String(nObs - 1).length);
    this.#index = new GrowingStrings(file, "obs/_index", 6 + this.#digits, sink);
    this.#types = categorical(file, "obs/cell_type", CountModel.cellTypes, sink);
    this.#donors = categorical(file, "obs/donor", CountModel.donors, sink);
    this.#counts = new GrowingArray(file, "obs/n_counts", "float32", sink);
    this.#genes = new GrowingArray(file, "obs/n_genes", "int32", sink);
    this.#mito = new GrowingArray(file, "obs/pct_mito", "float32", sink);
  }

  push(
    cell: number,
    type: number,
    donor: number,
    counts: number,
    genes: number,
    mito: number,
  ): void {
    this.#index.push(`CELL-${String(cell).padStart(this.#digits, "0")}`);
    this.#types.push(type);
    this.#donors.push(donor);
    this.#counts.push(counts);
    this.#genes.push(genes);
    this.#mito.push(mito);
  }

  finish(): void {
    const columns = [this.#index, this.#types, this.#donors, this.#counts, this.#genes, this.#mito];
    for (const column of columns) column.finish();
  }
}

function categorical(
  file: H5File,
  name: string,
  categories: readonly string[],
  sink: SinkOptions,
): GrowingArray<"int8"> {
  const group = createGroup(file, name, "categorical");
  group.create_attribute("ordered", Int8Array.of(0), [], "<b");
  writeArray(file, `${name}/categories`, categories);
  return new GrowingArray(file, `${name}/codes`, "int8", sink);
}

function writeVar(file: H5File, name: string, model: CountModel, cellsPerGene: Int32Array): void {
  const frame = createGroup(file, name, "dataframe");
  frame.create_attribute("_index", "gene_ids", null, "S");
  const columns = ["gene_name", "dispersion", "n_cells"];
  frame.create_attribute("column-order", columns, [columns.length], "S");
  const genes = Array.from({ length: model.nVars }, (_, gene) => gene);
  writeArray(file, `${name}/gene_ids`, genes.map(geneId));
  writeArray(
    file,
    `${name}/gene_name`,
    genes.map((gene) => geneName(gene, model.mitochondrial[gene] === 1)),
  );
  writeArray(file, `${name}/dispersion`, model.dispersion);
  writeArray(file, `${name}/n_cells`, cellsPerGene);
}

function geneId(gene: number): string {
  return `ENSG${String(gene).padStart(11, "0")}`;
}

/** Symbols of four letters and a number, so that they look and compress like gene names. */
function geneName(gene: number, isMitochondrial: boolean): string {
  if (isMitochondrial) return `MT-G${gene}`;
  let letters = "";
  for (let rest = gene * 7919 + 31, k = 0; k < 4; k++) {
    letters += String.fromCharCode(65 + (rest % 26));
    rest = Math.floor(rest / 26);
  }
  return `${letters}${gene}`;
}
