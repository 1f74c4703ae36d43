/**
 * Shards of samples of 10 KB (.npy, 2500 float32): this package and Python's webdataset, a process
 * each, in turn, on the same files; the best of three.
 *
 *     SCDL_PYTHON=.../bin/python node test/bench/webdataset.ts [folder]     (default: /dev/shm or tmp)
 *
 * Without SCDL_PYTHON (webdataset, numpy) the other side is reported as not measured. Both sides
 * write through the page cache; ours also waits until the shards are on the disk.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SAMPLES = 60_000;
const LENGTH = 2500;
const ROUNDS = 3;
const OURS = fileURLToPath(new URL("./webdataset/bench-webdataset.ts", import.meta.url));
const THEIRS = fileURLToPath(new URL("./webdataset/bench_webdataset.py", import.meta.url));
const python = process.env["SCDL_PYTHON"];

function run(program: readonly string[], what: string, pattern: string): number {
  const [file = "", script = ""] = program;
  const args = [script, what, pattern, String(SAMPLES), String(LENGTH)];
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
  return Number(stdout);
}

const ours = [process.execPath, OURS];
const theirs = python === undefined ? null : [python, THEIRS];
const parent = process.argv[2] ?? (existsSync("/dev/shm") ? "/dev/shm" : tmpdir());
const folder = mkdtempSync(join(parent, "scdl-bench-"));
try {
  const best = { write: [0, 0], read: [0, 0] } satisfies Record<string, number[]>;
  for (let round = 0; round < ROUNDS; round++) {
    for (const [side, program] of [ours, theirs].entries()) {
      if (program === null) continue;
      const out = mkdtempSync(join(folder, "w-"));
      best.write[side] = Math.max(
        best.write[side] ?? 0,
        run(program, "write", join(out, "a-%06d.tar")),
      );
      rmSync(out, { recursive: true });
    }
  }
  run(ours, "write", join(folder, "r-%06d.tar"));
  const urls = join(folder, `r-{000000..00000${Math.ceil(SAMPLES / 10_000) - 1}}.tar`);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [side, program] of [ours, theirs].entries()) {
      if (program === null) continue;
      best.read[side] = Math.max(best.read[side] ?? 0, run(program, "read", urls));
    }
  }
  console.log(`${SAMPLES} samples of ${4 * LENGTH} bytes in ${parent}, thousand samples a second`);
  for (const [what, [us = 0, them = 0]] of Object.entries(best)) {
    const other =
      them === 0 ? "not measured" : `${(them / 1000).toFixed(1)} (${(us / them).toFixed(1)} x)`;
    console.log(`${what}: ${(us / 1000).toFixed(1)}, Python webdataset: ${other}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
