import type * as arrow from "apache-arrow";
import { FileSource } from "../bytes/file-source.ts";
import { NotFoundError } from "../common/errors.ts";
import { Hdf5File } from "../hdf5/hdf5-file.ts";
import { readSuperblock } from "../hdf5/superblock.ts";
import { type AxisEntry, openAxisArrays } from "./axis-arrays.ts";
import { type Element, type ElementMap, ElementReader } from "./element.ts";
import { type FrameBatches, type FrameRange, FrameReader } from "./frame.ts";
import { MatrixReader, sparseEncoding } from "./matrix.ts";
import { type DatasetNode, type GroupNode, join, Source, textAttribute } from "./source.ts";
import { openTenx } from "./tenx.ts";

export interface H5adOpenOptions {
  /** Aborts the opening. */
  readonly signal?: AbortSignal;
  /** Computing for one operation on the file's structure; more is a FormatError. Default 8,000. */
  readonly timeoutMs?: number;
}

/** `raw`: the matrix before filtering genes, with its own var. */
export interface RawReader {
  readonly X: MatrixReader;
  readonly nVars: number;
  readonly varFrame: FrameReader;
  readonly varm: ReadonlyMap<string, AxisEntry>;
  var(options?: FrameRange): Promise<arrow.Table>;
  varBatches(options?: FrameBatches): AsyncGenerator<arrow.RecordBatch>;
}

interface Parts {
  readonly format: "anndata" | "10x-v2" | "10x-v3";
  readonly encodingVersion: string | null;
  readonly obsFrame: FrameReader;
  readonly varFrame: FrameReader;
  readonly X: MatrixReader | null;
  readonly raw: RawReader | null;
  readonly layers: ReadonlyMap<string, MatrixReader>;
  readonly obsp: ReadonlyMap<string, MatrixReader>;
  readonly varp: ReadonlyMap<string, MatrixReader>;
  readonly obsm: ReadonlyMap<string, AxisEntry>;
  readonly varm: ReadonlyMap<string, AxisEntry>;
  readonly hasUns: boolean;
}

/**
 * An AnnData file (.h5ad of any version) or a 10x Genomics matrix, read lazily.
 *
 * Opening reads the structure only; matrices stream through {@link MatrixReader.rowBlocks} and
 * annotations come as Arrow tables. Close it: it holds a file and a thread.
 */
export class H5adFile implements AsyncDisposable {
  readonly path: string;
  readonly format: "anndata" | "10x-v2" | "10x-v3";
  /** The root's `encoding-version`; null for files older than anndata 0.8. */
  readonly encodingVersion: string | null;
  /** Cells (rows) and genes (columns). */
  readonly shape: readonly [number, number];
  readonly X: MatrixReader | null;
  readonly raw: RawReader | null;
  readonly layers: ReadonlyMap<string, MatrixReader>;
  readonly obsp: ReadonlyMap<string, MatrixReader>;
  readonly varp: ReadonlyMap<string, MatrixReader>;
  readonly obsm: ReadonlyMap<string, AxisEntry>;
  readonly varm: ReadonlyMap<string, AxisEntry>;
  readonly obsFrame: FrameReader;
  readonly varFrame: FrameReader;
  readonly #source: Source;
  readonly #hasUns: boolean;

  private constructor(source: Source, parts: Parts) {
    this.#source = source;
    this.path = source.path;
    this.format = parts.format;
    this.encodingVersion = parts.encodingVersion;
    this.shape = [parts.obsFrame.nRows, parts.varFrame.nRows];
    this.X = parts.X;
    this.raw = parts.raw;
    this.layers = parts.layers;
    this.obsp = parts.obsp;
    this.varp = parts.varp;
    this.obsm = parts.obsm;
    this.varm = parts.varm;
    this.#hasUns = parts.hasUns;
    this.obsFrame = parts.obsFrame;
    this.varFrame = parts.varFrame;
  }

  /**
   * @throws NotFoundError no such file; FormatError not HDF5, damaged or not AnnData; StorageError;
   *   the signal's reason
   */
  static async open(path: string, options: H5adOpenOptions = {}): Promise<H5adFile> {
    const bytes = FileSource.open(path);
    let hdf5: Hdf5File | null = null;
    const onAbort = (): void => {
      void hdf5?.close();
    };
    options.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      readSuperblock(bytes);
      hdf5 = await Hdf5File.open(path, options);
      const source = new Source(hdf5, bytes);
      const file = new H5adFile(source, await readParts(source));
      options.signal?.throwIfAborted();
      return file;
    } catch (error) {
      await hdf5?.close();
      bytes.close();
      options.signal?.throwIfAborted();
      throw error;
    } finally {
      options.signal?.removeEventListener("abort", onAbort);
    }
  }

  /** `X`, `raw` (or `raw/X`) or `layers/NAME`. */
  matrix(name: string): MatrixReader {
    const found =
      name === "X"
        ? this.X
        : name === "raw" || name === "raw/X"
          ? (this.raw?.X ?? null)
          : name.startsWith("layers/")
            ? (this.layers.get(name.slice("layers/".length)) ?? null)
            : null;
    if (found !== null) return found;
    const available = this.matrixNames;
    if (available.length === 0) {
      throw new NotFoundError(
        "no-such-matrix",
        `${this.path}: the file has no matrix (no X, no raw, no layers), only annotations`,
        { what: name, suggestions: [`scdl inspect ${this.path} shows what there is`] },
      );
    }
    throw new NotFoundError("no-such-matrix", `${this.path}: no matrix ${JSON.stringify(name)}`, {
      what: name,
      available,
      suggestions: available.map((other) => `--matrix ${other}`),
    });
  }

  /** What {@link matrix} accepts in this file. */
  get matrixNames(): string[] {
    return [
      ...(this.raw === null ? [] : ["raw"]),
      ...(this.X === null ? [] : ["X"]),
      ...[...this.layers.keys()].map((name) => `layers/${name}`),
    ];
  }

  /** Annotations of cells; the index is the first column, see {@link FrameReader}. */
  obs(options?: FrameRange): Promise<arrow.Table> {
    return this.obsFrame.table(options);
  }

  /** Annotations of genes. */
  var(options?: FrameRange): Promise<arrow.Table> {
    return this.varFrame.table(options);
  }

  obsBatches(options?: FrameBatches): AsyncGenerator<arrow.RecordBatch> {
    return this.obsFrame.batches(options);
  }

  varBatches(options?: FrameBatches): AsyncGenerator<arrow.RecordBatch> {
    return this.varFrame.batches(options);
  }

  /**
   * Unstructured annotations. As in anndata, what older versions kept here is elsewhere now:
   * categories belong to their columns, neighbour graphs to {@link obsp}.
   */
  async uns(): Promise<ElementMap> {
    const members = new Map<string, Element>();
    if (!this.#hasUns) return members;
    const moved = new Set([...this.obsFrame.categoryKeys, ...this.varFrame.categoryKeys]);
    const reader = new ElementReader(this.#source);
    const { keys } = await this.#source.group("/uns");
    for (const key of keys) {
      if (moved.has(key)) continue;
      const element = await reader.read(join("/uns", key), 1);
      members.set(key, key === "neighbors" ? this.#withoutGraphs(element) : element);
    }
    return members;
  }

  #withoutGraphs(element: Element): Element {
    if (!(element instanceof Map)) return element;
    const kept = new Map<string, Element>(element);
    for (const name of LEGACY_GRAPHS) {
      if (this.obsp.get(name)?.path === `uns/neighbors/${name}`) kept.delete(name);
    }
    return kept;
  }

  /**
   * Gives up the HDF5 thread (about 80 MB) until it is needed again; located chunks and matrices
   * read directly do not need it.
   */
  release(): Promise<void> {
    return this.#source.hdf5.release();
  }

  async close(): Promise<void> {
    this.#source.bytes.close();
    await this.#source.hdf5.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Graphs that scanpy kept in uns/neighbors before anndata had obsp. */
const LEGACY_GRAPHS = ["distances", "connectivities"] as const;

async function readParts(source: Source): Promise<Parts> {
  const root = await source.group("/");
  const has = (name: string): boolean => root.keys.includes(name);
  if (!has("obs") || !has("var")) {
    const tenx = await openTenx(source, root);
    if (tenx !== null) return { ...tenx, ...NO_ANNDATA };
    throw source.error(
      "not-anndata",
      `expected obs and var, found ${root.keys.slice(0, 8).join(", ") || "an empty file"}`,
    );
  }
  const unsNode = has("uns") ? await source.find("/uns") : null;
  const uns = unsNode?.kind === "group" ? unsNode : null;
  const obsFrame = await FrameReader.open(source, await source.get("/obs"), uns);
  const varFrame = await FrameReader.open(source, await source.get("/var"), uns);
  const nObs = obsFrame.nRows;
  const nVars = varFrame.nRows;
  const X = has("X") ? await openX(source) : null;
  if (X !== null) checkShape(source, X, nObs, nVars);
  const layers = await openMatrices(source, "/layers", nObs, nVars);
  const obsp = await openMatrices(source, "/obsp", nObs, nObs);
  await addLegacyGraphs(source, uns, nObs, obsp);
  return {
    format: "anndata",
    encodingVersion: textAttribute(root, "encoding-version") ?? null,
    obsFrame,
    varFrame,
    X,
    raw: await openRaw(source, root, nObs),
    layers,
    obsp,
    varp: await openMatrices(source, "/varp", nVars, nVars),
    obsm: await openAxisArrays(source, "/obsm", nObs),
    varm: await openAxisArrays(source, "/varm", nVars),
    hasUns: uns !== null,
  };
}

const NO_ANNDATA = {
  encodingVersion: null,
  raw: null,
  layers: new Map<string, MatrixReader>(),
  obsp: new Map<string, MatrixReader>(),
  varp: new Map<string, MatrixReader>(),
  obsm: new Map<string, AxisEntry>(),
  varm: new Map<string, AxisEntry>(),
  hasUns: false,
} as const;

/** Adds the graphs that anndata moves from uns/neighbors to obsp when it reads old files. */
async function addLegacyGraphs(
  source: Source,
  uns: GroupNode | null,
  nObs: number,
  obsp: Map<string, MatrixReader>,
): Promise<void> {
  if (uns === null || !uns.keys.includes("neighbors")) return;
  const neighbors = await source.find("/uns/neighbors");
  if (neighbors?.kind !== "group") return;
  for (const name of LEGACY_GRAPHS) {
    if (!neighbors.keys.includes(name)) continue;
    const node = await source.get(join(neighbors.path, name));
    if (!isMatrix(node)) continue;
    const matrix = await MatrixReader.open(source, node);
    checkShape(source, matrix, nObs, nObs);
    obsp.set(name, matrix);
  }
}

async function openX(source: Source): Promise<MatrixReader | null> {
  const node = await source.get("/X");
  // A null dataspace stands for None.
  if (node.kind === "dataset" && node.dataset.shape === null) return null;
  return MatrixReader.open(source, node);
}

async function openMatrices(
  source: Source,
  path: string,
  rows: number,
  columns: number,
): Promise<Map<string, MatrixReader>> {
  const matrices = new Map<string, MatrixReader>();
  const group = await source.find(path);
  if (group === null || group.kind === "dataset") return matrices;
  for (const name of group.keys) {
    const node = await source.get(join(path, name));
    if (!isMatrix(node)) continue;
    const matrix = await MatrixReader.open(source, node);
    checkShape(source, matrix, rows, columns);
    matrices.set(name, matrix);
  }
  return matrices;
}

function isMatrix(node: GroupNode | DatasetNode): boolean {
  if (node.kind === "group") return sparseEncoding(node) !== null;
  return node.dataset.shape?.length === 2;
}

async function openRaw(source: Source, root: GroupNode, nObs: number): Promise<RawReader | null> {
  // anndata below 0.7 wrote `raw.X` and `raw.var` beside X.
  const prefix = root.keys.includes("raw.X") ? "/raw." : "/raw/";
  if (prefix === "/raw/") {
    const raw = root.keys.includes("raw") ? await source.find("/raw") : null;
    if (raw === null || raw.kind === "dataset" || !raw.keys.includes("X")) return null;
  }
  const X = await MatrixReader.open(source, await source.get(`${prefix}X`));
  const varFrame = await FrameReader.open(source, await source.get(`${prefix}var`), null);
  checkShape(source, X, nObs, varFrame.nRows);
  return {
    X,
    nVars: varFrame.nRows,
    varFrame,
    varm: await openAxisArrays(source, `${prefix}varm`, varFrame.nRows),
    var: (options) => varFrame.table(options),
    varBatches: (options) => varFrame.batches(options),
  };
}

function checkShape(source: Source, matrix: MatrixReader, rows: number, columns: number): void {
  const [foundRows, foundColumns] = matrix.shape;
  if (foundRows !== rows || foundColumns !== columns) {
    throw source.error(
      "wrong-shape",
      `${matrix.path} is ${foundRows} x ${foundColumns}, expected ${rows} x ${columns}`,
    );
  }
}
