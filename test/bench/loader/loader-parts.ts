/** Batches for training: Loader, and the loaders of Python on the same cells. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { compile, warmData } from "../gather/gather-parts.ts";
import { finish, type Program, printed, type Row } from "../measure.ts";
import { inTurn, notMeasured, type PartContext, runPrinting } from "../part.ts";
import { pythonProgram } from "../python.ts";
import { OURS } from "../report.ts";

const BATCH = 64;
const ROWS = 102_400;
const PYTHON_ROWS = 25_600;
const PEER_ROWS = 100_000;
const EPOCHS = 20;
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Fully shuffled CSR batches with two obs columns. The peers shuffle blocks only, which is less work. */
export async function loader(context: PartContext): Promise<Row[]> {
  const directory = await warmData(context);
  const work = `shuffled CSR batches of ${BATCH} with two obs columns, warm`;
  const counted = (name: string) => (name.startsWith(OURS) ? ROWS : PYTHON_ROWS);
  const programs = [
    ...[0, 1, 2].map((workers) =>
      ours(workers === 0 ? OURS : `${OURS}, ${workers} workers`, directory, "shuffled", 3, workers),
    ),
    ...[0, 1, 2].map((workers) =>
      pythonProgram(
        `bionemo-scdl, DataLoader with ${workers} workers`,
        here("loader_bionemo.py"),
        ...[directory, BATCH, PYTHON_ROWS, 1, workers].map(String),
      ),
    ),
    ...peers(context, directory),
  ];
  return await inTurn(context.rounds, programs, async (program) => {
    const amount = { amount: counted(program.name), unit: "rows" };
    const [inside] = await runPrinting(work, program, amount);
    // Each reads other rows: only ours among themselves could be compared.
    return [{ ...inside, check: null }];
  });
}

/** Pieces of 64 rows that lie together, and C copying the same pieces. */
export async function loaderBlocks(context: PartContext): Promise<Row[]> {
  const directory = await warmData(context);
  const work = `block-shuffled CSR batches, pieces of ${BATCH} rows, warm`;
  const order = path.join(context.folder, "block-order.u32");
  const rows = Math.floor((200_000 * context.scale) / BATCH) * BATCH;
  fs.writeFileSync(order, await blockOrder(Math.round(200_000 * context.scale)));
  const c = compile(context.folder);
  const programs: Program[] = [
    {
      name: "C, memcpy over mmap",
      command: c === null ? null : [c, directory, order, `${BATCH}`, `${rows}`, "5"],
    },
    ours(OURS, directory, "blocks", 5, 0, rows),
  ];
  return await inTurn(context.rounds, programs, async (program) => {
    const [inside] = await runPrinting(work, program, { amount: rows, unit: "rows" });
    return [{ ...inside, check: null }];
  });
}

/** Memory that is not mapped files, after a garbage collection at the end of each of 20 epochs. */
export async function loaderMemory(context: PartContext): Promise<Row[]> {
  const directory = await warmData(context);
  const rows: Row[] = [];
  for (const workers of [0, 2]) {
    const program = ours(OURS, directory, "shuffled", EPOCHS - 1, workers);
    const [node = "", ...rest] = program.command ?? [];
    const result = printed(await finish([node, "--expose-gc", ...rest]));
    const measured = (result as { anonymousMiB?: number[] } | null)?.anonymousMiB ?? [];
    const [first = Number.NaN, second = Number.NaN] = measured;
    const most = Math.max(...measured);
    rows.push({
      ...notMeasured(`memory over ${EPOCHS} epochs, ${workers} workers`, program),
      peakMiB: most,
      note:
        [first, second, most].map((size) => `${size.toFixed(0)} MiB`).join(", ") +
        " after the first, the second and at most after any epoch",
    });
  }
  return rows;
}

function ours(
  name: string,
  directory: string,
  order: "shuffled" | "blocks",
  passes: number,
  workers: number,
  rows = ROWS,
): Program {
  const numbers = [BATCH, rows, passes, workers].map(String);
  return {
    name,
    command: [process.execPath, here("loader-node.ts"), directory, order, ...numbers],
  };
}

/** SCDL_PEERS_PYTHON: a Python with annbatch, scdataset, anndata and zarrs. */
function peers({ folder }: PartContext, directory: string): Program[] {
  const python = process.env["SCDL_PEERS_PYTHON"];
  const missing = { command: null, note: "SCDL_PEERS_PYTHON is not set" };
  const names = ["annbatch", "scdataset"] as const;
  if (python === undefined) return names.map((name) => ({ name, ...missing }));
  const data = path.join(folder, "peers");
  const script = here("loader_peers.py");
  if (!fs.existsSync(path.join(data, "cells.zarr"))) {
    spawnSync(python, [script, "make", directory, data, `${PEER_ROWS}`], { stdio: "ignore" });
  }
  const numbers = [BATCH, PYTHON_ROWS, 1].map(String);
  const settings = [
    { name: "annbatch, chunks of 64 rows, 256 ahead", mode: "annbatch", last: ["64", "256"] },
    { name: "annbatch, its defaults (512, 32)", mode: "annbatch", last: ["512", "32"] },
    { name: "scdataset, blocks of 64, 64 batches", mode: "scdataset", last: ["64", "64"] },
    { name: "scdataset, blocks of 8, 256 batches", mode: "scdataset", last: ["8", "256"] },
  ];
  return settings.map(({ name, mode, last }) => ({
    name,
    command: [python, script, mode, data, ...numbers, ...last],
  }));
}

async function blockOrder(nRows: number): Promise<Uint32Array> {
  const { BlockShuffledSampler } = await import("../../../src/sampling/block-shuffled-sampler.ts");
  const rows = new Float64Array(nRows);
  new BlockShuffledSampler(nRows, { seed: 1, blockRows: BATCH, windowBlocks: 0 }).fill(0, 0, rows);
  return Uint32Array.from(rows);
}
