/**
 * Random rows: this package, C and bionemo-scdl on the same files, batches and order.
 *
 *     npm run build && node test/bench/gather.ts [warm] [cold] [open]      (default: all three)
 *
 * Data is made once in SCDL_BENCH_DIR (default: scdl-bench in the temporary folder): 1.2 GB, and
 * 10 GB for cold and open (--rows N makes that one smaller). Python is SCDL_PYTHON or the
 * environment that `npm run conformance` makes; the C compiler is `cc`. What is missing is
 * reported as not measured.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { makeData, ORDER_ROWS, orderFile } from "./gather/make-data.ts";
import { dropCaches, limitMemory } from "./gather/page-cache.ts";
import { findPython } from "./gather/python.ts";

const BATCH = 64;
const WARM_ROWS = 200_000;
const here = (name: string) => new URL(`./gather/${name}`, import.meta.url).pathname;

interface Measured {
  readonly seconds: readonly number[];
  readonly check: number;
  readonly rssMiB?: number;
}
interface Row {
  readonly work: string;
  readonly program: string;
  /** Rows (or openings) per second, null when not measured. */
  readonly perSecond: number | null;
  readonly note: string;
  readonly check?: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: "string", default: "1700000" }, json: { type: "boolean" } },
});
const parts = positionals.length > 0 ? positionals : ["warm", "cold", "open"];
const folder = process.env["SCDL_BENCH_DIR"] ?? path.join(os.tmpdir(), "scdl-bench");
fs.mkdirSync(folder, { recursive: true });
const python = findPython();
const rows: Row[] = [];
if (parts.includes("warm")) rows.push(...(await warm()));
if (parts.includes("cold")) rows.push(...(await cold()));
if (parts.includes("open")) rows.push(...(await open()));
report(rows);

async function warm(): Promise<Row[]> {
  const directory = path.join(folder, "warm.scdl");
  await makeData(directory, WARM_ROWS);
  const work = `${BATCH} random rows of ~1,000 values, warm, one thread`;
  const programs = gatherPrograms(directory, { rows: ORDER_ROWS, passes: 7, pythonRows: 25_600 });
  // Twice round, so that no program has the machine at its only good moment.
  const results = [...measureAll(work, programs, best), ...measureAll(work, programs, best)];
  return bestOf(results);
}

async function cold(): Promise<Row[]> {
  const directory = await largeData();
  const limit = limitMemory(2 * 2 ** 30);
  const work = `${BATCH} random rows, cold, ${gigabytes(directory)} GB of files, ${limit.note}`;
  const programs = gatherPrograms(directory, { rows: 12_800, passes: 1, pythonRows: 2_560 });
  const results = programs.map((program) => {
    const dropped = dropCaches(directory);
    const note = dropped ? "" : "page cache could not be dropped";
    return measure(work, { ...program, note }, best, limit.prefix);
  });
  limit.release();
  return bestOf(results);
}

async function open(): Promise<Row[]> {
  const directory = await largeData();
  const work = `open ${gigabytes(directory)} GB and read one row`;
  const row = "1234567";
  const programs: Program[] = [
    { name: "scdl", command: [process.execPath, here("open-node.ts"), directory, row], rows: 1 },
    { name: "bionemo-scdl", command: pythonCommand("open_bionemo.py", directory, row), rows: 1 },
  ];
  const results: Row[] = [];
  for (const state of ["warm", "cold"]) {
    for (const program of programs) {
      const runs = [0, 1, 2].map(() => {
        if (state === "cold") dropCaches(directory);
        return measure(`${work}, ${state}`, program, best);
      });
      results.push(...bestOf(runs));
    }
  }
  return results;
}

async function largeData(): Promise<string> {
  const directory = path.join(folder, `large-${values.rows}.scdl`);
  await makeData(directory, Number(values.rows));
  return directory;
}

interface Program {
  readonly name: string;
  /** Null when it cannot run here. */
  readonly command: readonly string[] | null;
  /** Rows of one pass. */
  readonly rows: number;
  readonly note?: string;
}

function gatherPrograms(
  directory: string,
  amount: { rows: number; passes: number; pythonRows: number },
): Program[] {
  const order = orderFile(directory);
  const common = [directory, order, String(BATCH), String(amount.rows), String(amount.passes)];
  const c = compile();
  const pythonArguments = [directory, order, String(BATCH), String(amount.pythonRows)];
  return [
    { name: "C, memcpy over mmap", command: c === null ? null : [c, ...common], rows: amount.rows },
    {
      name: "scdl",
      command: [process.execPath, here("gather-node.ts"), ...common],
      rows: amount.rows,
    },
    ...[0, 1, 2].map((workers) => ({
      name: `bionemo-scdl, DataLoader with ${workers} workers`,
      command: pythonCommand(
        "gather_bionemo.py",
        ...pythonArguments,
        String(Math.min(3, amount.passes)),
        String(workers),
      ),
      rows: amount.pythonRows,
    })),
  ];
}

function pythonCommand(script: string, ...args: string[]): string[] | null {
  return python === null ? null : [python, here(script), ...args];
}

function measureAll(
  work: string,
  programs: readonly Program[],
  pick: (seconds: readonly number[]) => number,
): Row[] {
  return programs.map((program) => measure(work, program, pick));
}

function measure(
  work: string,
  program: Program,
  pick: (seconds: readonly number[]) => number,
  prefix: readonly string[] = [],
): Row {
  const row = { work, program: program.name };
  if (program.command === null) return { ...row, perSecond: null, note: "not measured: missing" };
  const [file = "", ...args] = [...prefix, ...program.command];
  const result = spawnSync(file, args, { encoding: "utf8", maxBuffer: 2 ** 24 });
  const last = result.stdout.trim().split("\n").at(-1) ?? "";
  if (result.status !== 0 || !last.startsWith("{")) {
    const reason = result.stderr.trim().split("\n").at(-1) ?? "";
    return { ...row, perSecond: null, note: `not measured: ${reason}` };
  }
  const measured = JSON.parse(last) as Measured;
  const memory = measured.rssMiB === undefined ? "" : `peak ${measured.rssMiB.toFixed(0)} MiB`;
  return {
    ...row,
    perSecond: program.rows / pick(measured.seconds),
    note: [program.note ?? "", memory].filter(Boolean).join("; "),
    check: measured.check,
  };
}

function best(seconds: readonly number[]): number {
  return Math.min(...seconds);
}

/** The fastest run of each program. */
function bestOf(results: readonly Row[]): Row[] {
  const fastest = new Map<string, Row>();
  for (const row of results) {
    const known = fastest.get(row.program);
    if (known === undefined || (row.perSecond ?? 0) > (known.perSecond ?? 0)) {
      fastest.set(row.program, row);
    }
  }
  return [...fastest.values()];
}

function compile(): string | null {
  const output = path.join(folder, "gather");
  const result = spawnSync("cc", ["-O3", here("gather.c"), "-o", output], { encoding: "utf8" });
  return result.status === 0 ? output : null;
}

function gigabytes(directory: string): string {
  const bytes = fs.readdirSync(directory).reduce((sum, name) => {
    return sum + fs.statSync(path.join(directory, name)).size;
  }, 0);
  return (bytes / 1e9).toFixed(1);
}

function report(results: readonly Row[]): void {
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify(results)}\n`);
    return;
  }
  const lines = ["| work | program | per second | scdl is | note |", "|---|---|---|---|---|"];
  for (const row of results) {
    const ours = results.find((other) => other.work === row.work && other.program === "scdl");
    const ratio =
      row.perSecond === null || !ours?.perSecond || row === ours
        ? ""
        : `${(ours.perSecond / row.perSecond).toFixed(2)} x`;
    const speed = row.perSecond === null ? "" : row.perSecond.toPrecision(4);
    lines.push(`| ${row.work} | ${row.program} | ${speed} | ${ratio} | ${row.note} |`);
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}
