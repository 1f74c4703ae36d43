import fs from "node:fs";
import * as arrow from "apache-arrow";
import { ArchiveWriter } from "../../formats/scdl/archive-writer.ts";
import type { Sampler, SamplerDescription } from "../../src/sampling/sampler.ts";

export const SMALL_VARS = 40;

/** What {@link writeSmallDataset} stores in a row: 0 to 4 values that name the row. */
export function smallRow(row: number): { data: number[]; indices: number[] } {
  const count = (row * 3) % 5;
  return {
    data: Array.from({ length: count }, (_, k) => row * 10 + k),
    indices: Array.from({ length: count }, (_, k) => ((row * 7) % 10) + 9 * k),
  };
}

export interface SmallDatasetOptions {
  readonly rows?: number;
  /** Gene ids, {@link SMALL_VARS} of them. Default g0, g1, ... */
  readonly genes?: readonly string[];
}

/** A complete data set on disk with obs columns cell_type ("t0", "t1", "t2"), n (int32), name. */
export async function writeSmallDataset(
  directory: string,
  options: SmallDatasetOptions = {},
): Promise<string> {
  const nObs = options.rows ?? 23;
  const rows = Array.from({ length: nObs }, (_, row) => row);
  const stored = rows.map(smallRow);
  const writer = ArchiveWriter.create(directory);
  const data = Float32Array.from(stored.flatMap((row) => row.data));
  fs.writeFileSync(writer.pathOf("data"), data);
  const indices = Uint16Array.from(stored.flatMap((row) => row.indices));
  fs.writeFileSync(writer.pathOf("indices"), indices);
  const indptr = new Uint32Array(nObs + 1);
  for (const [row, { data: values }] of stored.entries()) {
    indptr[row + 1] = (indptr[row] as number) + values.length;
  }
  fs.writeFileSync(writer.pathOf("indptr"), indptr);
  const genes = options.genes ?? Array.from({ length: SMALL_VARS }, (_, i) => `g${i}`);
  const varTable = new arrow.Table({
    var_feature_id: arrow.vectorFromArray([...genes], new arrow.Utf8()),
  });
  writer.varFeatures.beginBlock({ label: null, nRows: nObs, schema: varTable.schema });
  for (const batch of varTable.batches) await writer.varFeatures.write(batch);
  await writer.varFeatures.endBlock();
  const obs = new arrow.Table({
    cell_type: arrow.vectorFromArray(
      rows.map((row) => `t${row % 3}`),
      new arrow.Utf8(),
    ),
    n: arrow.makeVector(Int32Array.from(rows, (row) => row * row)),
    name: arrow.vectorFromArray(
      rows.map((row) => `cell ${row}`),
      new arrow.Utf8(),
    ),
  });
  writer.obsFeatures.beginBlock({ label: null, nRows: nObs, schema: obs.schema });
  for (const batch of obs.batches) await writer.obsFeatures.write(batch);
  await writer.obsFeatures.endBlock();
  await writer.commit({
    nObs,
    nnz: data.length,
    dtypes: { data: "float32", indices: "uint16", indptr: "uint32" },
  });
  return directory;
}

/** Rows in an order that differs from epoch to epoch: `(position * step + epoch * shift) % nRows`. */
export function stridedSampler(nRows: number, step = 7, shift = 3): Sampler {
  return {
    length: nRows,
    nRows,
    fill(epoch, begin, out) {
      for (let i = 0; i < out.length; i++) {
        out[i] = ((begin + i) * step + epoch * shift) % nRows;
      }
    },
    describe: (): SamplerDescription => ({ name: "strided", version: 1, nRows, step, shift }),
  };
}

/** The order of an epoch. */
export function orderOf(sampler: Sampler, epoch: number): number[] {
  const rows = new Float64Array(sampler.length);
  sampler.fill(epoch, 0, rows);
  return [...rows];
}
