/** Shards of samples of 10 KB (.npy, 2500 float32), against Python's webdataset on the same files. */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Program, Row } from "../measure.ts";
import { inTurn, type PartContext, runPrinting } from "../part.ts";
import { pythonProgram } from "../python.ts";
import { OURS } from "../report.ts";

const SAMPLES = 60_000;
const SAMPLES_PER_SHARD = 10_000;
const LENGTH = 2500;
const SCRIPT = fileURLToPath(new URL("./bench-webdataset.ts", import.meta.url));
const PYTHON_SCRIPT = fileURLToPath(new URL("./bench_webdataset.py", import.meta.url));

/** Neither side waits for the disk but ours, which flushes every shard before it is renamed. */
export async function webdataset(context: PartContext): Promise<Row[]> {
  const samples = Math.max(SAMPLES_PER_SHARD, Math.round(SAMPLES * context.scale));
  const folder = fs.mkdtempSync(path.join(context.folder, "shards-"));
  try {
    const counted = { amount: samples, unit: "samples" };
    const writing = await inTurn(context.rounds, programs("write", samples), async (program) => {
      const out = fs.mkdtempSync(path.join(folder, "w-"));
      const [row] = await runPrinting("write 10 KB samples", within(program, out), counted);
      fs.rmSync(out, { recursive: true });
      return [row];
    });
    const made = within(programs("write", samples)[0] as Program, folder);
    await runPrinting("write", made);
    const reading = await inTurn(context.rounds, programs("read", samples), async (program) => {
      const [row] = await runPrinting("read and decode them", within(program, folder), counted);
      return [row];
    });
    return [...writing, ...reading];
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function programs(what: "read" | "write", samples: number): readonly Program[] {
  const args = [what, String(samples), String(SAMPLES_PER_SHARD), String(LENGTH)];
  return [
    { name: OURS, command: [process.execPath, SCRIPT, ...args] },
    pythonProgram("webdataset", PYTHON_SCRIPT, ...args),
  ];
}

function within(program: Program, folder: string): Program {
  const { command } = program;
  return { ...program, command: command === null ? null : [...command, folder] };
}
