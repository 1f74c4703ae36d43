/** Collate functions that worker threads import. */
import { existsSync, writeFileSync } from "node:fs";
import process from "node:process";
import type { CsrBatch } from "../../../src/data/batch.ts";

export function sums(batch: CsrBatch, { scale }: { scale: number }) {
  const { rows, data, indptr, obs } = batch;
  const types = obs["cell_type"];
  return {
    batch: batch.batch,
    sums: Float64Array.from(rows, (_, i) => {
      let sum = 0;
      for (let k = indptr[i] as number; k < (indptr[i + 1] as number); k++) {
        sum += scale * Number(data[k]);
      }
      return sum;
    }),
    types:
      types?.kind === "categorical" ? [...types.codes].map((code) => types.categories[code]) : [],
  };
}

export function never(): Promise<void> {
  return new Promise(() => {});
}

/** Ends the thread on batch 2, unless the file is there. */
export function dieOnce({ batch }: CsrBatch, file: string): number {
  if (batch === 2 && !existsSync(file)) {
    writeFileSync(file, "");
    process.exit(3);
  }
  return batch;
}

/** Of every neighbour: its row and the sum of its values. */
export function nextSums({ nextRows, next }: CsrBatch) {
  return [...(nextRows ?? [])].map((row, i) => {
    const [begin, end] = [next?.indptr[i] ?? 0, next?.indptr[i + 1] ?? 0];
    const values = Array.from(next?.data.subarray(begin, end) ?? [], Number);
    return [row, values.reduce((total, value) => total + value, 0)];
  });
}
