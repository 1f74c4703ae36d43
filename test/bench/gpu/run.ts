/**
 * Measures a device beside PyTorch with transformers; `--help` says what it takes. Each program has a
 * process and a time of its own: what hangs, fails or has no time left is said, and the rest goes on.
 * Rows go to DIR/results.jsonl as they come, and to the page DIR/results.md after each part.
 */
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Row } from "./bars.ts";
import { gpuOptions, usageText } from "./options.ts";
import { partsOf } from "./parts.ts";
import { Programs } from "./programs.ts";
import { page, readRows } from "./report.ts";
import { CALLS, GPU, TRIAL } from "./works.ts";

const options = gpuOptions(process.argv.slice(2));
if ("error" in options) {
  const text = usageText(new Set(CALLS.flat()));
  if (options.error === null) console.log(text);
  else console.error(`${options.error}\n\n${text}`);
  process.exit(options.error === null ? 0 : 2);
}
const { device, out, call, parts: positionals } = options;
const isGpu = device.startsWith("cuda");
// Threads of several libraries that wait for one another by spinning are slow on few cores.
if (!isGpu) process.env["OMP_NUM_THREADS"] ??= "1";
const results = join(out, "results.jsonl");
const programs = new Programs({
  python: options.python,
  limitMs: options.timeLimit * 1000,
  totalMs: options.totalLimit * 1000,
});
const works = isGpu ? GPU : TRIAL;
const parts = partsOf({ programs, device, isGpu, works, precisions: options.precisions, say });
const unknown = positionals.find((name) => !parts.has(name));
if (unknown !== undefined) {
  console.error(`no part ${unknown}\n\n${usageText(parts.keys())}`);
  process.exit(2);
}
mkdirSync(out, { recursive: true });
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
