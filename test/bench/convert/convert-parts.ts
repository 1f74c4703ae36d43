/** Whole conversions: `scdl convert-h5ad` and the original's `convert_h5ad_to_scdl`. */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Finished, finish, type Program, type Row } from "../measure.ts";
import { flushDisk, readIntoCache } from "../page-cache.ts";
import { inTurn, notMeasured, type PartContext } from "../part.ts";
import { findPython } from "../python.ts";
import { OURS } from "../report.ts";

interface Input {
  readonly cells: number;
  readonly valuesPerCell: number;
  readonly gzip: boolean;
}

const GENES = 30_000;
export const TIMED: Omit<Input, "gzip"> = { cells: 200_000, valuesPerCell: 1_000 };
/** Few values a row where there are many rows, so that the files stay below 1 GB. */
const MANY_ROWS: readonly Input[] = [
  { cells: 100_000, valuesPerCell: 1_000, gzip: true },
  { cells: 1_000_000, valuesPerCell: 100, gzip: true },
  { cells: 10_000_000, valuesPerCell: 20, gzip: true },
];
/** The original reads a file whole, or in blocks of rows when it is larger than a cutoff. */
const PEER_SETTINGS: readonly { readonly name: string; readonly flags: readonly string[] }[] = [
  { name: "defaults", flags: [] },
  { name: "--num-workers 2 --use-mp", flags: ["--num-workers", "2", "--use-mp"] },
  { name: "--paginated-load-cutoff 0", flags: ["--paginated-load-cutoff", "0"] },
];
const scdl = fileURLToPath(new URL("../../../dist/cli/run.js", import.meta.url));

export function convertGzip(context: PartContext): Promise<Row[]> {
  return timed(context, { ...TIMED, gzip: true });
}

export function convertPlain(context: PartContext): Promise<Row[]> {
  return timed(context, { ...TIMED, gzip: false });
}

/** Peak memory at growing numbers of rows, obs with string ids included. */
export async function convertMemory(context: PartContext): Promise<Row[]> {
  const rows: Row[] = [];
  for (const input of MANY_ROWS) {
    const folder = await inputFolder(context, input);
    const { cells, valuesPerCell } = input;
    const work = `convert ${(cells * context.scale).toExponential(0)} rows x ${valuesPerCell} values, gzip`;
    const programs = [ours(context, folder), ...theirs(context, folder).slice(0, 1)];
    rows.push(...(await inTurn(1, programs, async (one) => [await convert(context, work, one)])));
  }
  return rows;
}

async function timed(context: PartContext, input: Input): Promise<Row[]> {
  const folder = await inputFolder(context, input);
  const millions = Math.round((input.cells * context.scale * input.valuesPerCell) / 1e6);
  const work = `convert ${millions} M values, ${input.gzip ? "gzip" : "uncompressed"}, page cache warm`;
  const programs = [ours(context, folder), ...theirs(context, folder)];
  return await inTurn(context.rounds, programs, async (program) => {
    readIntoCache(path.join(folder, "cells.h5ad"));
    return [await convert(context, work, program)];
  });
}

/** One conversion from process start to end, what others wrote to the disk flushed before. */
async function convert(context: PartContext, work: string, program: Program): Promise<Row> {
  const row = notMeasured(work, program);
  if (program.command === null) return row;
  const output = outputOf(context);
  fs.rmSync(output, { recursive: true, force: true });
  flushDisk();
  const temporary = path.join(context.folder, "temporary");
  fs.mkdirSync(temporary, { recursive: true });
  // The original converts in the temporary folder and renames: on the output's disk it need not copy.
  const env = { ...process.env, TMPDIR: temporary };
  let finished: Finished;
  try {
    finished = await finish(program.command, { env, watchMemory: true });
    if (finished.failure !== null) return { ...row, note: finished.failure };
    return {
      ...row,
      seconds: [finished.seconds],
      peakMiB: finished.memory?.peakMiB ?? null,
      note: [program.note ?? "", anonymous(finished)].filter(Boolean).join("; "),
      check: fs.statSync(path.join(output, "data.npy")).size,
    };
  } finally {
    fs.rmSync(output, { recursive: true, force: true });
    fs.rmSync(temporary, { recursive: true, force: true });
  }
}

function anonymous({ memory }: Finished): string {
  return memory === null ? "" : `${memory.anonymousMiB.toFixed(0)} MiB of it not files`;
}

function ours(context: PartContext, folder: string): Program {
  const input = path.join(folder, "cells.h5ad");
  return {
    name: OURS,
    command: [process.execPath, scdl, "convert-h5ad", input, "--output", outputOf(context)],
  };
}

function theirs(context: PartContext, folder: string): Program[] {
  const python = findPython();
  return PEER_SETTINGS.map(({ name, flags }) => {
    const program = `convert_h5ad_to_scdl, ${name}`;
    if (python === null) {
      return { name: program, command: null, note: "no Python with bionemo-scdl" };
    }
    const script = path.join(path.dirname(python), "convert_h5ad_to_scdl");
    const places = ["--data-path", folder, "--save-path", outputOf(context)];
    return { name: program, command: [python, script, ...places, ...flags] };
  });
}

function outputOf({ folder }: PartContext): string {
  return path.join(folder, "converted.scdl");
}

/** A folder with one simulated file: the original takes folders only. */
export async function inputFolder(context: PartContext, input: Input): Promise<string> {
  const cells = Math.round(input.cells * context.scale);
  const name = `${input.gzip ? "gzip" : "plain"}-${cells}`;
  const folder = path.join(context.folder, name);
  const file = path.join(folder, "cells.h5ad");
  if (fs.existsSync(file)) return folder;
  fs.mkdirSync(folder, { recursive: true });
  const size = ["--cells", `${cells}`, "--genes", `${GENES}`];
  const form = ["--nnz-per-cell", `${input.valuesPerCell}`, ...(input.gzip ? [] : ["--no-gzip"])];
  const command = [process.execPath, scdl, "simulate", ...size, ...form, "--seed", "1"];
  const { failure } = await finish([...command, "--output", file]);
  if (failure !== null) throw new Error(`no data to convert: ${failure}`);
  return folder;
}
