/** The parts of a measurement by name: each runs its programs and says its rows. */
import { mkdtempSync, rmSync } from "node:fs";
import type { Row } from "./bars.ts";
import { layoutOf } from "./batches.ts";
import { correctnessRows } from "./correctness.ts";
import type { Printed, Programs } from "./programs.ts";
import type { GPU, GpuWork } from "./works.ts";

export interface PartsOptions {
  readonly programs: Programs;
  readonly device: string;
  readonly isGpu: boolean;
  readonly works: typeof GPU;
  readonly precisions: readonly string[];
  readonly say: (part: string, row: Row) => void;
}

/** Seconds of programs that need more, or less, than others. */
const SECONDS = { devices: 60, smoke: 60, compile: 150, large: 200, long: 300, memory: 120 };

export function partsOf(options: PartsOptions): ReadonlyMap<string, () => Promise<void>> {
  const { programs, device, isGpu, works, precisions, say } = options;
  const torchDevice = isGpu ? device : "cpu";
  let rate: number | null = null;

  async function devices(): Promise<void> {
    say("devices", { device, ...(await programs.ours("devices.ts", [device], SECONDS.devices)) });
  }

  /** What ends the process is begun behind. */
  async function smoke(): Promise<void> {
    for (let first = 0, crashes = 0; crashes < 4; crashes++) {
      const printed = await programs.ours("smoke.ts", [device, String(first)], SECONDS.smoke);
      const families = (printed["families"] ?? []) as readonly Row[]; // proof: smoke.ts prints it
      for (const family of families) say("smoke", family);
      const { error, running } = printed;
      if (error === undefined) return;
      const family = running ?? "libtorch does not start";
      say("smoke", { family, result: "fail", error });
      if (running === undefined) return;
      first += families.length + 1;
    }
  }

  async function operations(): Promise<void> {
    say("operations", await programs.ours("operations.ts", [device]));
  }

  /** The same weights and batches here and there. */
  async function compare({ part, model, batch, length, steps }: GpuWork): Promise<void> {
    const folder = mkdtempSync("correctness-");
    const size = [batch, length, steps].map(String);
    const seconds = model.endsWith("650M") ? SECONDS.large : undefined;
    const ours = await programs.ours("correct.ts", [model, ...size, device, folder], seconds);
    const args = [model, folder, torchDevice];
    const theirs = await programs.theirs("gpu_correct.py", args, seconds);
    rmSync(folder, { recursive: true });
    const error = ours["error"] ?? theirs["error"];
    for (const row of correctnessRows(ours, theirs)) say(part, { model, ...row, error });
  }

  /** TFLOP/s of bfloat16 products. */
  async function matmul(): Promise<void> {
    const size = isGpu ? "8192" : "256";
    const args = ["matmul", "1", size, "20", "bf16-mixed", torchDevice, "eager"];
    const printed = await programs.theirs("gpu_steps.py", args);
    const found = Number(printed["tflops"]) / median(printed["seconds"]);
    rate = Number.isFinite(found) ? found : null;
    say("matmul", { size, tflopsPerSecond: rate, error: printed["error"] });
  }

  async function measure(work: GpuWork, columns: readonly string[]): Promise<void> {
    const { part, model, batch, length, steps } = work;
    const args = [model, batch, length, steps].map(String);
    const [, layout] = layoutOf(model);
    for (const precision of precisions) {
      for (const program of columns) {
        const [, mode] = program.split(" ");
        const printed =
          mode === undefined
            ? await programs.ours("steps.ts", [...args, precision, device])
            : await programs.theirs(
                "gpu_steps.py",
                [...args, precision, torchDevice, mode],
                mode === "compile" ? SECONDS.compile : undefined,
              );
        // Batches of different lengths: their median says little.
        const seconds = (layout === null ? median : average)(printed["seconds"]);
        // gpu_steps.py counts the arithmetic of full rows.
        const isCounted = mode === undefined || layout === null;
        const share = rate === null ? null : Number(printed["tflops"]) / seconds / rate;
        say(part, {
          ...{ program, model, batch, length, precision, error: printed["error"] },
          ...{ stepMs: seconds * 1000, tokensPerSecond: Number(printed["tokens"]) / seconds },
          utilisation: isCounted ? share : undefined,
          firstLoss: (printed["losses"] as readonly number[] | undefined)?.[0],
          peakMiB: printed["peakMiB"],
        });
      }
    }
  }

  async function long({ part, model, batch, length, steps }: GpuWork): Promise<void> {
    const size = [batch, length, steps].map(String);
    for (const precision of precisions) {
      const args = [model, ...size, precision, device];
      const printed = await programs.ours("long.ts", args, SECONDS.long);
      say(part, { model, batch, length, steps, precision, ...printed });
    }
  }

  async function memory(): Promise<void> {
    const steps = String(works.flatSteps);
    say("memory", await programs.ours("flat.ts", [steps, device], SECONDS.memory));
  }

  async function outOfMemory(): Promise<void> {
    say("out-of-memory", await inFolder((folder) => programs.ours("full.ts", [device, folder])));
  }

  async function stopAndGo(): Promise<void> {
    const steps = String(works.stopSteps);
    const run = (folder: string) => programs.ours("stop-and-go.ts", [steps, device, folder]);
    say("stop-and-go", await inFolder(run));
  }

  async function checkpoints(): Promise<void> {
    const row = await inFolder(async (folder): Promise<Printed> => {
      const moved = await programs.ours("checkpoints.ts", [device, folder]);
      if (moved["error"] !== undefined) return moved;
      const read = await programs.theirs("gpu_checkpoint.py", [folder, torchDevice]);
      if (read["error"] !== undefined) return { ...moved, ...read };
      const again = await programs.ours("checkpoints.ts", [device, folder, `${folder}/python`]);
      return { ...moved, ...read, python: again["different"], error: again["error"] };
    });
    say("checkpoints", row);
  }

  const plain = ["scdl", "PyTorch eager"];
  return new Map<string, () => Promise<void>>([
    ...([
      ["devices", devices],
      ["smoke", smoke],
      ["operations", operations],
    ] as const),
    ...works.correctness.map((work) => [work.part, () => compare(work)] as const),
    ["matmul", matmul],
    ...works.works.map((work) => [work.part, () => measure(work, plain)] as const),
    ...works.works
      // Each length would be compiled anew.
      .filter(({ model }) => isGpu && layoutOf(model)[1] === null)
      .map((work) => [`compile-${work.part}`, () => measure(work, ["PyTorch compile"])] as const),
    ...works.long.map((work) => [work.part, () => long(work)] as const),
    ...([
      ["memory", memory],
      ["out-of-memory", outOfMemory],
    ] as const),
    ...([
      ["stop-and-go", stopAndGo],
      ["checkpoints", checkpoints],
    ] as const),
  ]);
}

async function inFolder(work: (folder: string) => Promise<Printed>): Promise<Printed> {
  const folder = mkdtempSync("work-");
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
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
