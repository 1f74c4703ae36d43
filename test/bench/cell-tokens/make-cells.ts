/** A data set of counts with Geneformer-like dictionaries beside it: the same on every machine. */
import fs from "node:fs";
import path from "node:path";
import * as arrow from "apache-arrow";
import { ArchiveWriter } from "../../../formats/scdl/archive-writer.ts";
import { defaultRng } from "../../../src/random/numpy-generator.ts";

const GENES = 25_000;
/** Genes of the vocabulary: 4 of 5, so that 1,500 of a cell's values become tokens. */
const KNOWN = 20_000;
const VALUES = 1_875;
const BLOCK_ROWS = 2_048;

/** Where {@link makeCells} puts things. */
export function placesIn(folder: string) {
  return {
    dataset: path.join(folder, "cells.scdl"),
    medians: path.join(folder, "medians.json"),
    tokens: path.join(folder, "tokens.json"),
  };
}

export async function makeCells(folder: string, rows: number): Promise<void> {
  const { dataset, medians, tokens } = placesIn(folder);
  if (fs.existsSync(dataset)) return;
  fs.mkdirSync(folder, { recursive: true });
  const rng = defaultRng(2026);
  const genes = Array.from({ length: GENES }, (_, i) => `ENSG${String(i).padStart(11, "0")}`);
  const known = [...rng.choice(GENES, KNOWN, { replace: false })].sort((a, b) => a - b);
  const names = known.map((i) => genes[i] ?? "");
  fs.writeFileSync(
    medians,
    JSON.stringify(Object.fromEntries(names.map((name) => [name, Math.exp(3 * rng.random() - 1)]))),
  );
  const special = [
    ["<pad>", 0],
    ["<mask>", 1],
  ];
  const ids = names.map((name, i) => [name, i + 2]);
  fs.writeFileSync(tokens, JSON.stringify(Object.fromEntries([...special, ...ids])));

  const writer = ArchiveWriter.create(dataset);
  const dataFile = fs.openSync(writer.pathOf("data"), "w");
  const indicesFile = fs.openSync(writer.pathOf("indices"), "w");
  const indptr = new Uint32Array(rows + 1);
  const nCounts = new Float64Array(rows);
  let nnz = 0;
  for (let first = 0; first < rows; first += BLOCK_ROWS) {
    const data: number[] = [];
    const indices: number[] = [];
    for (let row = first; row < Math.min(rows, first + BLOCK_ROWS); row++) {
      const step = (2 * GENES) / VALUES;
      let sum = 0;
      for (let column = 0; ; ) {
        column += 1 + Math.floor(rng.random() * (step - 1));
        if (column >= GENES) break;
        const count = Math.ceil(-2 * Math.log(1 - rng.random())) || 1;
        sum += count;
        data.push(count);
        indices.push(column);
      }
      nCounts[row] = sum;
      indptr[row + 1] = nnz + data.length;
    }
    nnz += data.length;
    fs.writeSync(dataFile, Float32Array.from(data));
    fs.writeSync(indicesFile, Uint16Array.from(indices));
  }
  fs.closeSync(dataFile);
  fs.closeSync(indicesFile);
  fs.writeFileSync(writer.pathOf("indptr"), indptr);
  const varTable = new arrow.Table({ feature_id: arrow.vectorFromArray(genes, new arrow.Utf8()) });
  writer.varFeatures.beginBlock({ label: null, nRows: rows, schema: varTable.schema });
  for (const batch of varTable.batches) await writer.varFeatures.write(batch);
  await writer.varFeatures.endBlock();
  const obs = new arrow.Table({ n_counts: arrow.makeVector(nCounts) });
  writer.obsFeatures.beginBlock({ label: null, nRows: rows, schema: obs.schema });
  for (const batch of obs.batches) await writer.obsFeatures.write(batch);
  await writer.obsFeatures.endBlock();
  const dtypes = { data: "float32", indices: "uint16", indptr: "uint32" } as const;
  await writer.commit({ nObs: rows, nnz, dtypes });
}
