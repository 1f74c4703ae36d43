import type { Hdf5Type } from "../hdf5/protocol.ts";
import { FrameReader } from "./frame.ts";
import type { ColumnPlan } from "./frame-plan.ts";
import { MatrixReader } from "./matrix.ts";
import { type GroupNode, join, type Source } from "./source.ts";

/** A Cell Ranger matrix seen as AnnData: barcodes are cells, features are genes. */
export interface TenxParts {
  readonly format: "10x-v2" | "10x-v3";
  readonly X: MatrixReader;
  readonly obsFrame: FrameReader;
  readonly varFrame: FrameReader;
}

/** What scanpy calls the members of `features` and of a version 2 genome group. */
const COLUMN_NAMES: Readonly<Record<string, string>> = {
  id: "gene_ids",
  genes: "gene_ids",
  feature_type: "feature_types",
};

/**
 * Recognises and opens a 10x Genomics matrix.
 *
 * All features are kept (scanpy's `gex_only=False`) and counts keep their stored type.
 *
 * @returns null when the file is no 10x matrix
 * @throws FormatError `several-genomes` for version 2 files with more than one
 */
export async function openTenx(source: Source, root: GroupNode): Promise<TenxParts | null> {
  if (root.keys.includes("matrix")) {
    const matrix = await source.find("/matrix");
    if (matrix?.kind !== "group" || !hasMatrix(matrix)) return null;
    if (matrix.keys.includes("features")) {
      return open(source, matrix, "10x-v3", await source.group("/matrix/features"), "name");
    }
  }
  const genomes: GroupNode[] = [];
  for (const key of root.keys) {
    const node = await source.hdf5.node(join("/", key));
    if (node?.kind !== "group" || !hasMatrix(node)) continue;
    if (node.keys.includes("gene_names") && node.keys.includes("genes")) genomes.push(node);
  }
  const [genome, ...others] = genomes;
  if (genome === undefined) return null;
  if (others.length > 0) {
    throw source.error(
      "several-genomes",
      `a 10x file of several genomes (${genomes.map(({ path }) => path.slice(1)).join(", ")}): split it first`,
    );
  }
  return open(source, genome, "10x-v2", genome, "gene_names");
}

function hasMatrix(group: GroupNode): boolean {
  return ["barcodes", "data", "indices", "indptr", "shape"].every((name) =>
    group.keys.includes(name),
  );
}

async function open(
  source: Source,
  matrix: GroupNode,
  format: TenxParts["format"],
  features: GroupNode,
  nameKey: string,
): Promise<TenxParts> {
  const shape = await (await source.numbers(join(matrix.path, "shape"))).read(0, 2);
  const nVars = Number(shape[0]);
  const nObs = Number(shape[1]);
  const isPlain = [nVars, nObs].every((length) => Number.isSafeInteger(length) && length >= 0);
  if (!isPlain) throw source.error("wrong-shape", `${matrix.path} claims ${nVars} x ${nObs}`);
  const obsFrame = await frameOf(source, matrix.path, join(matrix.path, "barcodes"), nObs, []);
  const isV3 = format === "10x-v3";
  const keys = isV3
    ? features.keys.filter((key) => key !== nameKey && !key.startsWith("_"))
    : ["genes"];
  // Cell Ranger's own order differs between versions; ids and types come first, as in scanpy.
  const rank = (key: string): number => ["id", "genes", "feature_type", "genome"].indexOf(key);
  const ordered = keys.toSorted((a, b) => (rank(a) & 0xff) - (rank(b) & 0xff));
  const columns: ColumnPlan[] = [];
  for (const key of ordered) {
    const node = await source.find(join(features.path, key));
    if (node?.kind !== "dataset" || node.dataset.shape?.length !== 1) continue;
    if (node.dataset.shape[0] !== nVars) continue;
    columns.push(plain(COLUMN_NAMES[key] ?? key, node.path, node.dataset.type));
  }
  const names = join(features.path, nameKey);
  const varFrame = await frameOf(source, features.path, names, nVars, columns);
  // Columns of the stored csc matrix are barcodes: the same arrays are csr with barcodes as rows.
  const X = await MatrixReader.openSparse(source, matrix.path, "csr", [nObs, nVars]);
  return { format, X, obsFrame, varFrame };
}

function plain(name: string, path: string, type: Hdf5Type): ColumnPlan {
  return { kind: "plain", name, path, field: null, unsupported: null, type };
}

async function frameOf(
  source: Source,
  path: string,
  indexPath: string,
  nRows: number,
  columns: readonly ColumnPlan[],
): Promise<FrameReader> {
  const { length, dataset } = await source.vector(indexPath);
  if (length !== nRows) {
    throw source.error("wrong-shape", `${indexPath} has ${length} rows, expected ${nRows}`);
  }
  return FrameReader.fromPlan(source, path, {
    nRows,
    index: plain("_index", indexPath, dataset.type),
    columns,
  });
}
