/**
 * Measures a device beside PyTorch with transformers: run.ts [--device cuda] [--precision bf16-mixed]
 * [PART...]. Parts run one after the other, their programs in turn, and each prints its rows when it
 * ends; what fails or has no time left is said and the rest goes on. Rows also go to results.json, one
 * object a line.
 */
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { listDevices } from "../../../src/tensor/index.ts";
import { layoutOf } from "./batches.ts";
import { correctnessRows } from "./correctness.ts";
import { type Printed, Programs } from "./programs.ts";
import { GPU, type GpuWork, PRECISIONS, TRIAL } from "./works.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: "string", default: "cuda" },
    python: { type: "string", default: "python3" },
    /** Of the steps that are measured: one of PRECISIONS, any number of times. */
    precision: { type: "string", multiple: true, default: [PRECISIONS[0]] },
    /** Seconds of one program, and of all. */
    "time-limit": { type: "string", default: "120" },
    "total-limit": { type: "string", default: "570" },
  },
});
const { device, python } = values;
const onGpu = device.startsWith("cuda");
const torchDevice = onGpu ? device : "cpu";
const { works, correctness, long } = onGpu ? GPU : TRIAL;
const PARTS = [
  ...["devices", "operations", ...correctness.map(({ part }) => part), "memory", "matmul"],
  ...[...works, ...long].map(({ part }) => part),
];
const unknown = positionals.find((part) => !PARTS.includes(part));
if (unknown !== undefined) {
  console.log(`no part ${unknown}; there is ${PARTS.join(", ")}`);
  process.exit(2);
}
const wanted = (part: string) => positionals.length === 0 || positionals.includes(part);

const programs = new Programs({
  python,
  limitMs: Number(values["time-limit"]) * 1000,
  totalMs: Number(values["total-limit"]) * 1000,
});

if (wanted("devices")) {
  for (const report of await listDevices()) say("devices", { ...report });
}
if (wanted("operations")) say("operations", programs.ours("operations.ts", device));
for (const work of correctness) if (wanted(work.part)) compare(work);
if (wanted("memory")) say("memory", programs.ours("flat.ts", onGpu ? "1000" : "30", device));
const isMeasured = wanted("matmul") || works.some(({ part }) => wanted(part));
const rate = isMeasured ? matmulRate() : null;
const [first, ...others] = works;
// The model that the utilisation is asked of, then the trainer, then the rest.
if (first !== undefined && wanted(first.part)) measure(first);
for (const work of long) if (wanted(work.part)) trainLong(work);
for (const work of others) if (wanted(work.part)) measure(work);

function trainLong({ part, model, batch, length, steps }: GpuWork): void {
  const size = [batch, length, steps].map(String);
  for (const precision of values.precision) {
    const printed = programs.ours("long.ts", model, ...size, precision, device);
    say(part, { model, batch, length, steps, precision, ...printed });
  }
}

/** The same weights and batches here and there. */
function compare({ part, model, batch, length, steps }: GpuWork): void {
  const folder = mkdtempSync("correctness-");
  const size = [batch, length, steps].map(String);
  const ours = programs.ours("correct.ts", model, ...size, device, folder);
  const theirs = programs.theirs("gpu_correct.py", model, folder, torchDevice);
  rmSync(folder, { recursive: true });
  const error = ours["error"] ?? theirs["error"];
  for (const row of correctnessRows(ours, theirs)) say(part, { model, ...row, error });
}

function measure(work: GpuWork): void {
  const { part, model, batch, length, steps } = work;
  const args = [model, batch, length, steps].map(String);
  const [, layout] = layoutOf(model);
  for (const precision of values.precision) {
    const tell = (program: string, printed: Printed) => {
      // Batches of different lengths: their median says little.
      const seconds = (layout === null ? median : average)(printed["seconds"]);
      // gpu_steps.py counts the arithmetic of full rows.
      const isCounted = program === "scdl" || layout === null;
      const share = rate === null ? null : Number(printed["tflops"]) / seconds / rate;
      say(part, {
        ...{ program, model, batch, length, precision, error: printed["error"] },
        ...{ stepMs: seconds * 1000, tokensPerSecond: Number(printed["tokens"]) / seconds },
        utilisation: isCounted ? share : undefined,
        firstLoss: (printed["losses"] as readonly number[] | undefined)?.[0],
        peakMiB: printed["peakMiB"],
      });
    };
    const theirs = (mode: string) =>
      programs.theirs("gpu_steps.py", ...args, precision, torchDevice, mode);
    tell("scdl", programs.ours("steps.ts", ...args, precision, device));
    tell("PyTorch eager", theirs("eager"));
    // Each length would be compiled anew.
    if (onGpu && layout === null) tell("PyTorch compile", theirs("compile"));
  }
}

/** TFLOP/s of bfloat16 products. */
function matmulRate(): number | null {
  const size = onGpu ? "8192" : "256";
  const printed = programs.theirs(
    "gpu_steps.py",
    "matmul",
    "1",
    size,
    "20",
    "bf16-mixed",
    torchDevice,
    "eager",
  );
  const seconds = median(printed["seconds"]);
  if (Number.isNaN(seconds)) return null;
  const found = Number(printed["tflops"]) / seconds;
  say("matmul", { size, tflopsPerSecond: found });
  return found;
}

function median(seconds: unknown): number {
  if (!Array.isArray(seconds) || seconds.length === 0) return Number.NaN;
  const sorted = seconds.map(Number).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function average(seconds: unknown): number {
  if (!Array.isArray(seconds) || seconds.length === 0) return Number.NaN;
  return seconds.reduce((sum, value) => sum + Number(value), 0) / seconds.length;
}

function say(part: string, row: Readonly<Record<string, unknown>>): void {
  const told = JSON.stringify({ part, ...row }, (_, value) =>
    typeof value === "number" ? Number(value.toPrecision(5)) : value,
  );
  console.log(told);
  appendFileSync("results.json", `${told}\n`);
}
