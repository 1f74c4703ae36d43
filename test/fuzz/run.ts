/**
 * Reads damaged files for as long as asked: `node test/fuzz/run.ts FORMAT SECONDS [FIRST_SEED]`,
 * FORMAT being h5ad, scdl, parquet, npy, fasta, fai, protein-store,
 * protein-database or safetensors. Prints a line per finding and a count of outcomes; a
 * finding is reproduced with `SECONDS` 0 and its seed. Ends with 1 when there was one.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { faiTarget, fastaTarget } from "./fasta-targets.ts";
import { proteinDatabaseTarget, proteinStoreTarget } from "./protein-targets.ts";
import {
  h5adTarget,
  npyTarget,
  parquetTarget,
  safetensorsTarget,
  scdlTarget,
  type Target,
} from "./targets.ts";

const [format = "", seconds = "60", first = "1"] = process.argv.slice(2);
const parent = fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir();
const folder = fs.mkdtempSync(path.join(parent, "scdl-fuzz-"));
const SLOW_MS = 10_000;

async function targetOf(name: string): Promise<Target> {
  switch (name) {
    case "h5ad":
      return h5adTarget(folder);
    case "scdl":
      return scdlTarget(folder);
    case "parquet":
      return parquetTarget(folder);
    case "npy":
      return npyTarget();
    case "fasta":
      return fastaTarget(folder);
    case "fai":
      return faiTarget(folder);
    case "protein-store":
      return proteinStoreTarget(folder);
    case "protein-database":
      return proteinDatabaseTarget(folder);
    case "safetensors":
      return safetensorsTarget();
    default:
      throw new Error(`no such format: ${name}`);
  }
}

const target = await targetOf(format);
const counts = new Map<string, number>();
const end = performance.now() + Number(seconds) * 1000;
const seedFile = path.join(folder, "..", `scdl-fuzz-${format}.seed`);
let findings = 0;
let seed = Number(first);
do {
  // Where a crash of the whole process happened.
  fs.writeFileSync(seedFile, String(seed));
  const begin = performance.now();
  try {
    const found = await target(seed);
    counts.set(found, (counts.get(found) ?? 0) + 1);
  } catch (error) {
    findings++;
    console.log(`seed ${seed}:`, error);
  }
  const ms = performance.now() - begin;
  if (ms > SLOW_MS) {
    findings++;
    console.log(`seed ${seed}: took ${Math.round(ms)} ms`);
  }
  seed++;
} while (performance.now() < end);
for (const [name, count] of counts) console.log(`${count}\t${name}`);
const peakMiB = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(`${format}: ${seed - Number(first)} files, ${findings} findings, peak ${peakMiB} MiB`);
fs.rmSync(folder, { recursive: true });
fs.rmSync(seedFile);
process.exitCode = findings > 0 ? 1 : 0;
