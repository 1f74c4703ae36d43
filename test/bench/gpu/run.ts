/**
 * Measures a device beside PyTorch with transformers: run.ts [--device cuda] [PART...]. Parts run one
 * after the other, their programs in turn; what fails is said and the rest goes on. Rows also go to
 * results.json, one object a line.
 */
import { spawnSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { listDevices } from "../../../src/tensor/index.ts";
import { GPU_WORKS, type GpuWork, PRECISIONS, TRIAL_WORKS } from "./works.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: "string", default: "cuda" },
    python: { type: "string", default: "python3" },
    "time-limit": { type: "string", default: "120" },
  },
});
const { device, python } = values;
const onGpu = device.startsWith("cuda");
const torchDevice = onGpu ? device : "cpu";
const works = onGpu ? GPU_WORKS : TRIAL_WORKS;
const PARTS = ["devices", "operations", "memory", "matmul", ...works.map(({ part }) => part)];
const unknown = positionals.find((part) => !PARTS.includes(part));
if (unknown !== undefined) {
  console.log(`no part ${unknown}; there is ${PARTS.join(", ")}`);
  process.exit(2);
}
const wanted = (part: string) => positionals.length === 0 || positionals.includes(part);

if (wanted("devices")) {
  for (const report of await listDevices()) say("devices", { ...report });
}
if (wanted("operations")) say("operations", ours("operations.ts", device));
if (wanted("memory")) say("memory", ours("flat.ts", onGpu ? "1000" : "30", device));
const rate = wanted("matmul") ? matmulRate() : null;
for (const work of works) if (wanted(work.part)) measure(work);

function measure(work: GpuWork): void {
  const { part, model, batch, length, steps } = work;
  const args = [model, batch, length, steps].map(String);
  const isPacked = model.endsWith("-lengths");
  for (const precision of PRECISIONS) {
    const rows: Readonly<Record<string, Printed>> = {
      scdl: ours("steps.ts", ...args, precision, device),
      "PyTorch eager": theirs(...args, precision, torchDevice, "eager"),
      ...(onGpu ? { "PyTorch compile": theirs(...args, precision, torchDevice, "compile") } : {}),
    };
    const tflops = Number(rows["PyTorch eager"]?.["tflops"]);
    for (const [program, printed] of Object.entries(rows)) {
      const seconds = median(printed["seconds"]);
      // Batches of different lengths: their median says little.
      const mean = isPacked ? average(printed["seconds"]) : seconds;
      say(part, {
        ...{ program, model, batch, length, precision, error: printed["error"] },
        ...{ stepMs: seconds * 1000, tokensPerSecond: Number(printed["tokens"]) / mean },
        utilisation: rate === null || isPacked ? undefined : tflops / seconds / rate,
        firstLoss: (printed["losses"] as readonly number[] | undefined)?.[0],
        peakMiB: printed["peakMiB"],
      });
    }
  }
}

/** TFLOP/s of bfloat16 products. */
function matmulRate(): number | null {
  const size = onGpu ? "8192" : "256";
  const printed = theirs("matmul", "1", size, "20", "bf16-mixed", torchDevice, "eager");
  const seconds = median(printed["seconds"]);
  if (Number.isNaN(seconds)) return null;
  const found = Number(printed["tflops"]) / seconds;
  say("matmul", { size, tflopsPerSecond: found });
  return found;
}

type Printed = Readonly<Record<string, unknown>>;

function ours(script: string, ...args: string[]): Printed {
  return finish(process.execPath, ["--no-warnings", here(script), ...args]);
}

function theirs(...args: string[]): Printed {
  return finish(python, [here("gpu_steps.py"), ...args]);
}

/** The object that a program prints last, or what went wrong. */
function finish(file: string, args: readonly string[]): Printed {
  const timeout = Number(values["time-limit"]) * 1000;
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: "utf8", timeout });
  const last = stdout?.trim().split("\n").at(-1) ?? "";
  if (status === 0 && last.startsWith("{")) return JSON.parse(last);
  const lines = stderr.trim().split("\n");
  const reason = error?.message ?? lines.findLast((line) => /Error/.test(line)) ?? lines.at(-1);
  return { error: `${file.split("/").at(-1)} ${args.slice(-7).join(" ")}: ${reason}` };
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
