/** Data sets written by the original, opened with SingleCellDataset and compared value by value. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type * as arrow from "apache-arrow";
import { SingleCellDataset } from "../../src/dataset/single-cell-dataset.ts";
import type { Original } from "./original.ts";

/** What `dump` of original.py returns and writes. */
interface Dump {
  readonly nObs: number;
  readonly nnz: number;
  readonly dtype: string;
}

interface DumpedIndex {
  readonly cumulative: readonly number[];
  readonly labels: readonly (string | null)[];
  readonly blocks: readonly Readonly<
    Record<string, readonly (string | number | boolean | null)[]>
  >[];
}

/** The differences between what the original and what we read from one of its data sets. */
export async function readingDifferences(
  original: Original,
  archive: string,
  scratch: string,
): Promise<string[]> {
  const dump = (await original.ask("dump", { archive, output: scratch })) as Dump; // original.py's dict
  const text = readFileSync(join(scratch, "features.json"), "utf8");
  const features = JSON.parse(text.replaceAll(/\bNaN\b/g, "null")) as Record<
    "var" | "obs",
    DumpedIndex
  >; // ditto
  using dataset = await SingleCellDataset.open(archive);
  return [
    ...matrixDifferences(dataset, dump, scratch),
    ...(await featureDifferences(dataset, features)),
  ];
}

function matrixDifferences(dataset: SingleCellDataset, dump: Dump, scratch: string): string[] {
  const found: string[] = [];
  const equal = (what: string, ours: unknown, theirs: unknown): void => {
    if (ours !== theirs) found.push(`${what}: expected ${String(theirs)}, found ${String(ours)}`);
  };
  equal("nObs", dataset.nObs, dump.nObs);
  equal("nnz", dataset.nnz, dump.nnz);
  equal("dtype of data", dataset.dtypes.data, dump.dtype);
  if (found.length > 0) return found;
  const expected = {
    data: float64File(join(scratch, "data.f64")),
    indices: float64File(join(scratch, "indices.f64")),
    indptr: float64File(join(scratch, "indptr.f64")),
  };
  // The one call of a training loop, in an order that no block reading would take.
  const rows = Float64Array.from({ length: dump.nObs }, (_, i) => dump.nObs - 1 - i);
  const buffers = dataset.createBuffers();
  dataset.gather(rows, buffers);
  for (const [i, row] of rows.entries()) {
    const begin = expected.indptr[row] ?? 0;
    const length = (expected.indptr[row + 1] ?? 0) - begin;
    const at = buffers.indptr[i] ?? 0;
    if ((buffers.indptr[i + 1] ?? 0) - at !== length) {
      found.push(`row ${row}: expected ${length} values`);
      continue;
    }
    for (let k = 0; k < length; k++) {
      if (!Object.is(Number(buffers.data[at + k]), expected.data[begin + k])) {
        found.push(
          `row ${row}: value ${k} is ${buffers.data[at + k]}, expected ${expected.data[begin + k]}`,
        );
        break;
      }
      if (buffers.indices[at + k] !== expected.indices[begin + k]) {
        found.push(
          `row ${row}: column ${k} is ${buffers.indices[at + k]}, expected ${expected.indices[begin + k]}`,
        );
        break;
      }
    }
  }
  return found;
}

async function featureDifferences(
  dataset: SingleCellDataset,
  features: Readonly<Record<"var" | "obs", DumpedIndex>>,
): Promise<string[]> {
  const found: string[] = [];
  for (const [block, columns] of features.var.blocks.entries()) {
    const [begin, end] = [features.var.cumulative[block] ?? 0, features.var.cumulative[block + 1]];
    const ours = dataset.varBlocks[block];
    if (ours?.rowBegin !== Math.max(0, begin) || ours.rowEnd !== end) {
      found.push(`var block ${block}: rows ${ours?.rowBegin} to ${ours?.rowEnd}`);
    }
    if (Object.keys(columns).length === 0) continue;
    found.push(
      ...tableDifferences(await dataset.var(undefined, block), columns, `var block ${block}`),
    );
  }
  const [obs, ...others] = features.obs.blocks;
  if (obs !== undefined && others.length === 0 && Object.keys(obs).length > 0) {
    found.push(...tableDifferences(await dataset.obs(), obs, "obs"));
  }
  return found;
}

function tableDifferences(
  table: arrow.Table,
  columns: Readonly<Record<string, readonly (string | number | boolean | null)[]>>,
  what: string,
): string[] {
  const found: string[] = [];
  for (const [name, expected] of Object.entries(columns)) {
    const column = table.getChild(name);
    if (column === null) {
      found.push(`${what}: no column ${name}`);
      continue;
    }
    if (column.length !== expected.length) found.push(`${what}: ${name} has ${column.length} rows`);
    for (const [row, value] of expected.entries()) {
      const ours = plain(column.get(row));
      if (!Object.is(ours, value)) {
        found.push(`${what}: ${name}[${row}] is ${String(ours)}, expected ${String(value)}`);
        break;
      }
    }
  }
  return found;
}

/** Missing is null on both sides: the original turns nulls of numbers into NaN. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "number" && Number.isNaN(value)) return null;
  return value ?? null;
}

function float64File(path: string): Float64Array {
  const bytes = readFileSync(path);
  return new Float64Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
  );
}
