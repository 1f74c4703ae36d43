/** Random rows: this package, C and bionemo-scdl on the same files, batches and order. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Program, Row } from "../measure.ts";
import { dropCaches, limitMemory } from "../page-cache.ts";
import { inTurn, type PartContext, runPrinting } from "../part.ts";
import { pythonProgram } from "../python.ts";
import { OURS } from "../report.ts";
import { makeData, ORDER_ROWS, orderFile } from "./make-data.ts";

const BATCH = 64;
const WARM_ROWS = 200_000;
const LARGE_ROWS = 1_700_000;
const LIMIT_BYTES = 2 ** 31;
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export async function gatherWarm(context: PartContext): Promise<Row[]> {
  const directory = await warmData(context);
  const work = `${BATCH} random rows of ~1,000 values, warm, one thread`;
  const programs = [
    ...nodeAndC(context, directory, { batch: BATCH, rows: ORDER_ROWS, passes: 7 }),
    ...loaders(directory, { batch: BATCH, rows: ORDER_ROWS, passes: 1 }),
  ];
  const counted = { amount: ORDER_ROWS, unit: "rows" };
  return await inTurn(context.rounds, programs, async (program) => {
    return (await runPrinting(work, program, counted)).slice(0, 1);
  });
}

export async function gatherBatches(context: PartContext): Promise<Row[]> {
  const directory = await warmData(context);
  const rows: Row[] = [];
  for (const batch of [1, 64, 1024]) {
    const programs = nodeAndC(context, directory, { batch, rows: ORDER_ROWS, passes: 7 });
    const calls = Math.floor(ORDER_ROWS / batch);
    const work = `gather() of ${batch} random rows, warm`;
    const counted = { amount: calls, unit: "calls" };
    const measured = await inTurn(context.rounds, programs, async (program) => {
      return (await runPrinting(work, program, counted)).slice(0, 1);
    });
    rows.push(...measured);
  }
  return rows;
}

export async function gatherCold(context: PartContext): Promise<Row[]> {
  const directory = await largeData(context);
  const limit = limitMemory(LIMIT_BYTES);
  const work = `${BATCH} random rows, cold, ${gigabytes(directory)} GB of files, ${limit.note}`;
  const amount = { batch: BATCH, rows: 1_280, passes: 1 };
  const counted = { amount: amount.rows, unit: "rows" };
  const programs = [...nodeAndC(context, directory, amount), ...loaders(directory, amount)];
  try {
    return await inTurn(context.rounds, programs, async (program) => {
      const note = dropCaches(directory) ? "" : "page cache could not be dropped";
      const command = program.command === null ? null : [...limit.prefix, ...program.command];
      return (await runPrinting(work, { ...program, command, note }, counted)).slice(0, 1);
    });
  } finally {
    limit.release();
  }
}

export async function open(context: PartContext): Promise<Row[]> {
  const directory = await largeData(context);
  const work = `open ${gigabytes(directory)} GB and read one row`;
  const row = String(Math.floor(LARGE_ROWS * context.scale * 0.7));
  const programs: Program[] = [
    { name: OURS, command: [process.execPath, here("open-node.mjs"), directory, row] },
    pythonProgram("bionemo-scdl", here("open_bionemo.py"), directory, row),
  ];
  const rows: Row[] = [];
  for (const state of ["warm", "cold"]) {
    const measured = await inTurn(context.rounds, programs, async (program) => {
      if (state === "cold") dropCaches(directory);
      const [inside, whole] = await runPrinting(work, program);
      return [
        { ...inside, work: `${work}, ${state}` },
        { ...whole, work: `the same, ${state}, whole process` },
      ];
    });
    rows.push(...measured.sort((a, b) => a.work.localeCompare(b.work)));
  }
  return rows;
}

interface Amount {
  readonly batch: number;
  readonly rows: number;
  readonly passes: number;
}

function nodeAndC({ folder }: PartContext, directory: string, amount: Amount): Program[] {
  const { batch, rows, passes } = amount;
  const common = [directory, orderFile(directory), String(batch), String(rows), String(passes)];
  const c = compile(folder);
  return [
    {
      name: "C, memcpy over mmap",
      command: c === null ? null : [c, ...common],
      note: c === null ? "no C compiler" : "",
    },
    { name: OURS, command: [process.execPath, here("gather-node.ts"), ...common] },
  ];
}

function loaders(directory: string, { batch, rows, passes }: Amount): Program[] {
  const common = [directory, orderFile(directory), String(batch), String(rows), String(passes)];
  return [0, 1, 2].map((workers) =>
    pythonProgram(
      `bionemo-scdl, DataLoader with ${workers} workers`,
      here("gather_bionemo.py"),
      ...common,
      String(workers),
    ),
  );
}

export async function warmData({ folder, scale }: PartContext): Promise<string> {
  const rows = Math.round(WARM_ROWS * scale);
  const directory = path.join(folder, `warm-${rows}.scdl`);
  await makeData(directory, rows);
  return directory;
}

/** 10 GB at scale 1. */
export async function largeData({ folder, scale }: PartContext): Promise<string> {
  const rows = Math.round(LARGE_ROWS * scale);
  const directory = path.join(folder, `large-${rows}.scdl`);
  await makeData(directory, rows);
  return directory;
}

export function compile(folder: string): string | null {
  const output = path.join(folder, "gather");
  const result = spawnSync("cc", ["-O3", here("gather.c"), "-o", output], { encoding: "utf8" });
  return result.status === 0 ? output : null;
}

export function gigabytes(directory: string): string {
  const bytes = fs.readdirSync(directory).reduce((sum, name) => {
    return sum + fs.statSync(path.join(directory, name)).size;
  }, 0);
  return (bytes / 1e9).toFixed(1);
}
