/**
 * Measures a device beside PyTorch with transformers: run.ts [--device cuda] [--call 1|2|3]
 * [--precision bf16-mixed] [--out DIR] [PART...]. Each program has a process and a time of its own: what
 * hangs, fails or has no time left is said, and the rest goes on. Rows go to DIR/results.jsonl as they
 * come, and to the page DIR/results.md after each part.
 */
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Row } from "./bars.ts";
import { partsOf } from "./parts.ts";
import { Programs } from "./programs.ts";
import { page, readRows } from "./report.ts";
import { CALLS, GPU, PRECISIONS, TRIAL } from "./works.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: "string", default: "cuda" },
    python: { type: "string", default: "python3" },
    /** Which parts where none is named, see CALLS; 0 for all. */
    call: { type: "string", default: "1" },
    /** Of the steps that are measured: one of PRECISIONS, any number of times. */
    precision: { type: "string", multiple: true, default: [PRECISIONS[0]] },
    out: { type: "string", default: "." },
    /** Seconds of one program, and of all. */
    "time-limit": { type: "string", default: "100" },
    "total-limit": { type: "string", default: "570" },
  },
});
const { device, out } = values;
const isGpu = device.startsWith("cuda");
// Threads of several libraries that wait for one another by spinning are slow on few cores.
if (!isGpu) process.env["OMP_NUM_THREADS"] ??= "1";
mkdirSync(out, { recursive: true });
const results = join(out, "results.jsonl");
const programs = new Programs({
  python: values.python,
  limitMs: Number(values["time-limit"]) * 1000,
  totalMs: Number(values["total-limit"]) * 1000,
});
const parts = partsOf({
  ...{ programs, device, isGpu, works: isGpu ? GPU : TRIAL, precisions: values.precision, say },
});
const unknown = positionals.find((name) => !parts.has(name));
if (unknown !== undefined) {
  console.log(`no part ${unknown}; there is ${[...parts.keys()].join(", ")}`);
  process.exit(2);
}
const call = Number(values.call);
const ofCall = call === 0 ? [...new Set(CALLS.flat())] : (CALLS[call - 1] ?? []);
const named = positionals.length > 0 ? positionals : ofCall;
for (const name of named) {
  const part = parts.get(name);
  if (part === undefined) continue;
  console.log(`${name}: ${programs.leftSeconds} s left`);
  try {
    await part();
  } catch (error) {
    say(name, { error: error instanceof Error ? error.message : String(error) });
  }
  if (existsSync(results)) writeFileSync(join(out, "results.md"), page(readRows(results)));
}
if (existsSync(results)) console.log(`\n${page(readRows(results))}`);
if (positionals.length === 0 && call > 0 && call < CALLS.length) {
  console.log(`next: sh run.sh --call ${call + 1}; pages of several calls: see README`);
}

function say(part: string, row: Row): void {
  const told = JSON.stringify({ part, ...row }, (_, value) =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value,
  );
  console.log(told);
  appendFileSync(results, `${told}\n`);
}
