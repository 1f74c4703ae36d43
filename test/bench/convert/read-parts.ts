/** Reading an h5ad file in blocks of rows: H5adFile and anndata's sparse_dataset over h5py. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Program, Row } from "../measure.ts";
import { readIntoCache } from "../page-cache.ts";
import { inTurn, type PartContext, runPrinting } from "../part.ts";
import { pythonProgram } from "../python.ts";
import { OURS } from "../report.ts";
import { inputFolder, TIMED } from "./convert-parts.ts";

const BLOCK_ROWS = [1_000, 10_000];
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export async function readH5ad(context: PartContext): Promise<Row[]> {
  const rows: Row[] = [];
  for (const gzip of [true, false]) {
    const file = path.join(await inputFolder(context, { ...TIMED, gzip }), "cells.h5ad");
    const work = `read all rows in blocks, ${gzip ? "gzip" : "uncompressed"}, page cache warm`;
    const programs: Program[] = [
      { name: OURS, command: [process.execPath, here("read-node.ts"), file, "1"] },
      ...BLOCK_ROWS.map((block) =>
        pythonProgram(`anndata, ${block} rows`, here("read_anndata.py"), file, "1", String(block)),
      ),
    ];
    const measured = await inTurn(context.rounds, programs, async (program) => {
      readIntoCache(file);
      return (await runPrinting(work, program)).slice(0, 1);
    });
    rows.push(...measured);
  }
  return rows;
}
