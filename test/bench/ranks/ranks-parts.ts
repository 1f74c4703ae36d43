/** Arrays, and gradients of steps, added up over two processes of one machine. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Program, Row } from "../measure.ts";
import { inTurn, type PartContext, runPrinting } from "../part.ts";
import { findPython, pythonProgram } from "../python.ts";
import { OURS } from "../report.ts";

const script = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));
/** Gradients of ESM-2 8M and 35M. */
const FLOATS = [7_500_000, 33_500_000];
const RANKS = 2;
const MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", String(RANKS)];
const TOGETHER = [process.execPath, script("launch.ts"), String(RANKS)];

export async function ranks(context: PartContext): Promise<Row[]> {
  const rows: Row[] = [];
  for (const each of FLOATS) {
    const floats = Math.max(1000, Math.round(each * context.scale));
    const work = `all-reduce of ${(floats / 1e6).toFixed(1)} M floats, ${RANKS} processes`;
    const counted = { amount: (4 * floats) / 1e9, unit: "GB" };
    rows.push(
      ...(await inTurn(context.rounds, programs(floats), async (program) => {
        const [row] = await runPrinting(work, program, counted);
        return [row];
      })),
    );
  }
  return [...rows, ...(await steps(context))];
}

/** Steps on libtorch whose gradients are added up beside the backward pass, or after it on the host. */
async function steps({ rounds }: PartContext): Promise<Row[]> {
  const [size, batch, length, count] = ["8M", "2", "128", "6"] as const;
  const python = findPython();
  const env = ["env", `LIBTORCH=${python === null ? "" : dirname(dirname(python))}`];
  const modes = [
    ["beside the backward pass", "beside"],
    ["after it, through the host", "after"],
  ] as const;
  const programs: Program[] = modes.flatMap(([name, mode]) => {
    const args = [size, batch, length, count, mode];
    const node = [process.execPath, script("step-node.ts"), ...args];
    return [
      { name: `${name}, Open MPI`, command: python === null ? null : [...env, ...MPIRUN, ...node] },
      { name: `${name}, TCP`, command: python === null ? null : [...env, ...TOGETHER, ...node] },
    ];
  });
  const work = `step, ESM-2 ${size}, ${RANKS} x ${batch} x ${length}, libtorch, a thread each`;
  const counted = { amount: RANKS * Number(batch) * Number(length), unit: "tokens" };
  return inTurn(rounds, programs, async (program) => {
    const [row] = await runPrinting(work, program, counted);
    return [row];
  });
}

function programs(floats: number): readonly Program[] {
  const node = [process.execPath, script("all-reduce-node.ts"), String(floats)];
  const gloo = pythonProgram("torch, gloo", script("all_reduce_gloo.py"), String(floats));
  return [
    { name: `${OURS}, Open MPI`, command: [...MPIRUN, ...node] },
    { name: `${OURS}, TCP`, command: [...TOGETHER, ...node] },
    gloo.command === null ? gloo : { ...gloo, command: [...TOGETHER, ...gloo.command] },
  ];
}
