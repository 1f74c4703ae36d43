/** Arrays added up over two processes of one machine, beside torch's gloo. */
import { fileURLToPath } from "node:url";
import type { Program, Row } from "../measure.ts";
import { inTurn, type PartContext, runPrinting } from "../part.ts";
import { pythonProgram } from "../python.ts";
import { OURS } from "../report.ts";

const script = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));
/** Gradients of ESM-2 8M and 35M. */
const FLOATS = [7_500_000, 33_500_000];
const RANKS = 2;

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
  return rows;
}

function programs(floats: number): readonly Program[] {
  const node = [process.execPath, script("all-reduce-node.ts"), String(floats)];
  const together = [process.execPath, script("launch.ts"), String(RANKS)];
  const gloo = pythonProgram("torch, gloo", script("all_reduce_gloo.py"), String(floats));
  return [
    {
      name: `${OURS}, Open MPI`,
      command: ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", String(RANKS), ...node],
    },
    { name: `${OURS}, TCP`, command: [...together, ...node] },
    gloo.command === null ? gloo : { ...gloo, command: [...together, ...gloo.command] },
  ];
}
