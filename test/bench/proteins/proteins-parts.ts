/** Random proteins of a store and of SQLite: by row, by name, a sequence a time. */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Program, Row } from "../measure.ts";
import { inTurn, type PartContext, runPrinting } from "../part.ts";
import { pythonProgram } from "../python.ts";
import { OURS } from "../report.ts";

const PROTEINS = 1_000_000;
const READS = 100_000;
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** A million proteins of 100 to 499 residues; every program reads the same ones, in memory. */
export async function proteins(context: PartContext): Promise<Row[]> {
  const count = Math.max(1000, Math.round(PROTEINS * context.scale));
  const folder = path.join(context.folder, `proteins-${count}`);
  if (!fs.existsSync(folder)) {
    const { makeProteins } = await import("./make-proteins.ts");
    await makeProteins(folder, count);
  }
  const rows: Row[] = [];
  for (const by of ["row", "name"]) {
    const args = [folder, by, String(count), String(READS)];
    const node = (program: string) => [process.execPath, here("./read-node.ts"), program, ...args];
    const batch = [process.execPath, here("./read-node.ts"), "store", folder, "batch"];
    const inBatches = {
      name: `${OURS}, 256 at a time`,
      command: [...batch, String(count), String(READS)],
    };
    const programs: readonly Program[] = [
      ...(by === "row" ? [inBatches] : []),
      { name: OURS, command: node("store") },
      { name: "node:sqlite, mmap_size 2 GiB", command: node("sqlite") },
      pythonProgram("Python sqlite3", here("./read_sqlite.py"), ...args),
    ];
    const measured = await inTurn(context.rounds, programs, async (program) => {
      const work = `random proteins by ${by}`;
      const [row] = await runPrinting(work, program, { amount: READS, unit: "proteins" });
      return [row];
    });
    rows.push(...measured);
  }
  return rows;
}
