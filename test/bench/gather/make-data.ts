/**
 * Writes a data set of random counts straight as SCDL, and an order to read its rows in.
 *
 *     node test/bench/gather/make-data.ts DIRECTORY ROWS
 */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as arrow from "apache-arrow";
import { ArchiveWriter } from "../../../formats/scdl/archive-writer.ts";

const GENES = 30_000;
const BLOCK_ROWS = 4_096;
const OBS_ROWS = 65_536;
const SEED = 12_345;
export const ORDER_ROWS = 102_400;

/** Marsaglia's xorshift32: the same data on every machine. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** About 1,000 values a row (700 to 1,300), float32, sorted uint16 columns below 30,000. */
export async function makeData(directory: string, rows: number): Promise<void> {
  if (fs.existsSync(directory)) return;
  const next = generator(SEED);
  const writer = ArchiveWriter.create(directory);
  const dataFile = fs.openSync(writer.pathOf("data"), "w");
  const indicesFile = fs.openSync(writer.pathOf("indices"), "w");
  const indptr = new Uint32Array(rows + 1);
  const data = new Float32Array(BLOCK_ROWS * 1_300);
  const indices = new Uint16Array(BLOCK_ROWS * 1_300);
  let nnz = 0;
  for (let first = 0; first < rows; first += BLOCK_ROWS) {
    let at = 0;
    for (let row = first; row < Math.min(rows, first + BLOCK_ROWS); row++) {
      const wanted = 700 + (next() % 600);
      const step = Math.floor((2 * GENES) / wanted) - 1;
      let column = -1;
      for (let k = 0; k < wanted; k++) {
        const random = next();
        column += 1 + (random % step);
        if (column >= GENES) break;
        data[at] = 1 + (random >>> 28 === 0 ? (random >>> 16) % 40 : 0);
        indices[at++] = column;
      }
      indptr[row + 1] = nnz + at;
    }
    nnz += at;
    writeAll(dataFile, data.subarray(0, at));
    writeAll(indicesFile, indices.subarray(0, at));
  }
  fs.closeSync(dataFile);
  fs.closeSync(indicesFile);
  fs.writeFileSync(writer.pathOf("indptr"), indptr);
  const names = Array.from({ length: GENES }, (_, i) => `ENSG${String(i).padStart(11, "0")}`);
  const genes = new arrow.Table({ var_feature_id: arrow.vectorFromArray(names, new arrow.Utf8()) });
  writer.varFeatures.beginBlock({ label: null, nRows: rows, schema: genes.schema });
  for (const batch of genes.batches) await writer.varFeatures.write(batch);
  await writer.varFeatures.endBlock();
  const schema = cells(0, 1).schema;
  writer.obsFeatures.beginBlock({ label: null, nRows: rows, schema });
  for (let first = 0; first < rows; first += OBS_ROWS) {
    const { batches } = cells(first, Math.min(rows, first + OBS_ROWS));
    for (const batch of batches) await writer.obsFeatures.write(batch);
  }
  await writer.obsFeatures.endBlock();
  await writer.commit({
    nObs: rows,
    nnz,
    dtypes: { data: "float32", indices: "uint16", indptr: "uint32" },
  });
  writeOrder(directory, rows);
}

/** What a small obs has: names, four annotations, two measurements. */
function cells(begin: number, end: number): arrow.Table {
  const rows = Array.from({ length: end - begin }, (_, i) => begin + i);
  const text = (of: (row: number) => string) =>
    arrow.vectorFromArray(rows.map(of), new arrow.Utf8());
  return new arrow.Table({
    obs_feature_id: text((row) => `${row.toString(36).padStart(12, "ACGT")}-1`),
    cell_type: text((row) => `cell type ${(row * 7) % 41}`),
    donor_id: text((row) => `D${row % 113}`),
    tissue: text((row) => `tissue ${(row >> 12) % 9}`),
    assay: text((row) => (row % 3 === 0 ? "10x 3' v2" : "10x 3' v3")),
    n_counts: arrow.makeVector(Int32Array.from(rows, (row) => 1_000 + (row % 997))),
    score: arrow.makeVector(Float64Array.from(rows, (row) => Math.sin(row))),
  });
}

/** Uniform rows with replacement, as uint32 in a file beside the data set. */
function writeOrder(directory: string, rows: number): void {
  const next = generator(99);
  fs.writeFileSync(
    orderFile(directory),
    Uint32Array.from({ length: ORDER_ROWS }, () => next() % rows),
  );
}

export function orderFile(directory: string): string {
  return `${directory}.order.u32`;
}

function writeAll(fd: number, array: Float32Array | Uint16Array): void {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done);
}

const [file, directory, rows] = process.argv.slice(1);
if (file === fileURLToPath(import.meta.url) && directory !== undefined) {
  fs.mkdirSync(path.dirname(directory), { recursive: true });
  await makeData(directory, Number(rows ?? 200_000));
}
