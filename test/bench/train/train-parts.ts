/** Steps of models on the executor `onnx`, and of transformers with torch on the same work. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Program, Row } from "../measure.ts";
import { inTurn, type PartContext, runPrinting } from "../part.ts";
import { findPython } from "../python.ts";
import { OURS } from "../report.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

interface Work {
  readonly name: string;
  /** As train_step.py knows it. */
  readonly model: string;
  readonly batch: number;
  readonly length: number;
  readonly steps: number;
  /** Also ours with all logits; alone, it computes those at loss positions. */
  readonly allLogits?: boolean;
}

const STEPS: readonly Work[] = [
  { name: "ESM-2 8M", model: "esm2-8M", batch: 8, length: 128, steps: 8, allLogits: true },
  { name: "ESM-2 35M", model: "esm2-35M", batch: 8, length: 256, steps: 3, allLogits: true },
];

const CELLS: Work = {
  ...{ name: "Geneformer 10M", model: "geneformer-10M", batch: 4, length: 2048, steps: 1 },
  allLogits: true,
};

const LARGE: Work = { name: "ESM-2 150M", model: "esm2-150M", batch: 4, length: 256, steps: 1 };

const SORTED: readonly Work[] = [
  { name: "ESM-2 8M", model: "esm2-8M", batch: 8, length: 256, steps: 3 },
  { name: "ESM-2 8M", model: "esm2-8M", batch: 8, length: 512, steps: 3 },
  { name: "ESM-2 35M", model: "esm2-35M", batch: 8, length: 512, steps: 1 },
];

/** Forward, backward, clipping and AdamW, two threads. */
export function trainStep(context: PartContext): Promise<Row[]> {
  return measure(context, STEPS, "train");
}

/** The same on libtorch, with the PyTorch that the peer uses. */
export async function torchStep({ rounds }: PartContext): Promise<Row[]> {
  const python = findPython();
  const libtorch = python === null ? "" : dirname(dirname(python));
  const env = ["env", "SCDL_BENCH_DEVICE=torch-cpu", `LIBTORCH=${libtorch}`];
  const rows: Row[] = [];
  for (const { name, model, batch, length, steps } of STEPS) {
    const args = [model, ...[batch, length, steps].map(String), "train"];
    const node = [process.execPath, here("train-node.ts"), ...args];
    const programs: Program[] =
      python === null
        ? [peer(args)]
        : [
            { name: "scdl on libtorch, all logits", command: [...env, ...node, "all"] },
            { name: "scdl on libtorch", command: [...env, ...node, "loss"] },
            peer(args),
          ];
    const work = `step, ${name}, ${batch} x ${length}`;
    const counted = { amount: batch * length, unit: "tokens" };
    rows.push(
      ...(await inTurn(rounds, programs, async (program) => {
        const [inside] = await runPrinting(work, program, counted);
        return [inside];
      })),
    );
  }
  return rows;
}

/** The same of rows of 2,048 genes, with dropout. */
export function geneformerStep(context: PartContext): Promise<Row[]> {
  return measure(context, [CELLS], "train");
}

/** Peak memory and time of steps of the largest size that two cores train. */
export function trainMemory(context: PartContext): Promise<Row[]> {
  return measure({ ...context, rounds: 1 }, [LARGE], "train");
}

/** Steps of a run that writes checkpoints, to the end of the last one. */
export async function checkpoints({ rounds }: PartContext): Promise<Row[]> {
  const rows: Row[] = [];
  const shapes = [
    ["8M", 8, 128, 16, 4],
    ["35M", 8, 128, 8, 4],
  ] as const;
  for (const [size, batch, length, steps, every] of shapes) {
    const work = `step, ESM-2 ${size}, ${batch} x ${length}, a checkpoint every ${every}`;
    const modes = [
      [OURS, "beside"],
      ["asyncSave: false", "between"],
      ["no checkpoints", "none"],
    ] as const;
    const programs: Program[] = modes.map(([name, mode]) => {
      const args = [size, batch, length, steps, every, mode].map(String);
      return { name, command: [process.execPath, here("checkpoints-node.ts"), ...args] };
    });
    rows.push(
      ...(await inTurn(rounds, programs, async (program) => {
        const [inside] = await runPrinting(work, program);
        return [inside];
      })),
    );
  }
  return rows;
}

/** Forward passes to all logits of proteins sorted by length. */
export function inferStep(context: PartContext): Promise<Row[]> {
  return measure(context, SORTED, "infer");
}

async function measure(
  { rounds }: PartContext,
  works: readonly Work[],
  mode: "train" | "infer",
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { name, model, batch, length, steps, allLogits } of works) {
    const args = [model, ...[batch, length, steps].map(String), mode];
    const programs = [ours(OURS, args, mode === "infer" ? "all" : "loss"), peer(args)];
    if (allLogits === true) programs.push(ours("scdl, all logits", args, "all"));
    const work =
      mode === "train"
        ? `step, ${name}, ${batch} x ${length}`
        : `inference, ${name}, 64 proteins to ${length}`;
    // The lengths of 64 proteins are evenly spread: see train_step.py.
    const amount = mode === "train" ? batch * length : (65 * length) / 2;
    rows.push(
      ...(await inTurn(rounds, programs, async (program) => {
        const [inside] = await runPrinting(work, program, { amount, unit: "tokens" });
        return [inside];
      })),
    );
  }
  return rows;
}

function ours(name: string, args: readonly string[], head: "all" | "loss"): Program {
  return { name, command: [process.execPath, here("train-node.ts"), ...args, head] };
}

function peer(args: readonly string[]): Program {
  const name = "transformers, torch (sdpa)";
  const python = findPython();
  if (python === null) return { name, command: null, note: "no Python with transformers" };
  const threads = ["env", "OMP_NUM_THREADS=2"];
  return { name, command: [...threads, python, here("train_step.py"), ...args] };
}
