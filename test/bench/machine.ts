/** What the figures were measured on. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import { findPython } from "./python.ts";

const PACKAGES = ["bionemo-scdl", "anndata", "h5py", "numpy", "torch"];

/** Lines of `name: value`. */
export function machineFacts(folder: string): string[] {
  const cpus = os.cpus();
  const python = findPython();
  const compiler = spawnSync("cc", ["--version"], { encoding: "utf8" });
  const manifest = new URL("../../package.json", import.meta.url);
  const { version } = JSON.parse(fs.readFileSync(manifest, "utf8")) as { version: string };
  return [
    `processor: ${cpus[0]?.model ?? "unknown"}, ${os.availableParallelism()} cores`,
    `memory: ${(os.totalmem() / 2 ** 30).toFixed(0)} GiB`,
    `system: ${os.type()} ${os.release()}, ${process.arch}`,
    `disk: written at ${diskSpeed(folder)} MB/s (256 MiB with fdatasync)`,
    `scdl ${version}, Node ${process.versions.node}`,
    python === null ? "Python: not found" : pythonVersions(python),
    `C: ${compiler.status === 0 ? (compiler.stdout.split("\n")[0] ?? "") : "no compiler"}`,
  ];
}

function pythonVersions(python: string): string {
  const script = [
    "import importlib.metadata as m, platform",
    `print("Python", platform.python_version(), *[p + " " + m.version(p) for p in ${JSON.stringify(PACKAGES)}], sep=", ")`,
  ].join("\n");
  const result = spawnSync(python, ["-c", script], { encoding: "utf8" });
  return result.status === 0
    ? result.stdout.trim().replace("Python, ", "Python ")
    : "Python: a package is missing";
}

function diskSpeed(folder: string): string {
  const file = `${folder}/disk-speed.tmp`;
  const block = new Uint8Array(2 ** 24).fill(7);
  const descriptor = fs.openSync(file, "w");
  try {
    const start = process.hrtime.bigint();
    for (let i = 0; i < 16; i++) fs.writeSync(descriptor, block);
    fs.fdatasyncSync(descriptor);
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    return ((16 * block.length) / 1e6 / seconds).toFixed(0);
  } finally {
    fs.closeSync(descriptor);
    fs.rmSync(file);
  }
}
