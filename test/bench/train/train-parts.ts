/** Steps of ESM-2's shape on the executor `onnx`, and transformers with torch on the same shapes. */
import type { Program, Row } from "../measure.ts";
import { inTurn, type PartContext, runPrinting } from "../part.ts";
import { findPython } from "../python.ts";
import { OURS } from "../report.ts";

const here = (name: string) => new URL(name, import.meta.url).pathname;

interface Shape {
  readonly size: "8M" | "35M" | "150M";
  readonly batch: number;
  readonly length: number;
  readonly steps: number;
}

const STEPS: readonly Shape[] = [
  { size: "8M", batch: 8, length: 128, steps: 8 },
  { size: "35M", batch: 8, length: 256, steps: 3 },
];

const LARGE: Shape = { size: "150M", batch: 4, length: 256, steps: 1 };

/** Forward, backward, clipping and AdamW, all logits, two threads. */
export function trainStep(context: PartContext): Promise<Row[]> {
  return measure(context, STEPS, "train");
}

/** Forward pass to all logits. */
export function inferStep(context: PartContext): Promise<Row[]> {
  return measure(context, STEPS, "infer");
}

/** Peak memory of steps of the largest size that two cores train. */
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

async function measure(
  { rounds }: PartContext,
  shapes: readonly Shape[],
  mode: "train" | "infer",
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { size, batch, length, steps } of shapes) {
    const what = mode === "train" ? "step" : "inference";
    const work = `${what}, ESM-2 ${size}, ${batch} x ${length}`;
    const args = [size, batch, length, steps, mode].map(String);
    const programs: Program[] = [
      { name: OURS, command: [process.execPath, here("train-node.ts"), ...args] },
      peer(args),
    ];
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

function peer(args: readonly string[]): Program {
  const name = "transformers, torch (sdpa)";
  const python = findPython();
  if (python === null) return { name, command: null, note: "no Python with transformers" };
  const threads = ["env", "OMP_NUM_THREADS=2"];
  return { name, command: [...threads, python, here("train_step.py"), ...args] };
}
