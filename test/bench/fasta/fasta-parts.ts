/** A FASTA file of 400,000 proteins, 60 residues a line, against samtools (pysam) and pyfaidx. */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { randomOf } from "../../fuzz/damage.ts";
import type { Program, Row } from "../measure.ts";
import { inTurn, type PartContext, runPrinting } from "../part.ts";
import { pythonProgram } from "../python.ts";
import { OURS } from "../report.ts";

const PROTEINS = 400_000;
const FETCHES = 50_000;
const SCRIPT = fileURLToPath(new URL("./bench-fasta.ts", import.meta.url));
const PYTHON_SCRIPT = fileURLToPath(new URL("./bench_fasta.py", import.meta.url));

export async function fasta(context: PartContext): Promise<Row[]> {
  const proteins = Math.max(1000, Math.round(PROTEINS * context.scale));
  const folder = fs.mkdtempSync(path.join(context.folder, "fasta-"));
  try {
    const file = path.join(folder, "a.fasta");
    const bytes = writeProteins(file, proteins);
    const megabytes = { amount: bytes / 1e6, unit: "MB" };
    const fetches = { amount: FETCHES, unit: "proteins" };
    const rows: Row[] = [];
    for (const [work, what, peers, counted] of [
      ["index (.fai)", "index", ["pysam", "pyfaidx"], megabytes],
      ["stream, residues counted", "stream", ["pysam"], megabytes],
      ["random proteins by name", "fetch", ["pysam", "pyfaidx"], fetches],
    ] as const) {
      rows.push(
        ...(await inTurn(context.rounds, programs(what, peers, file, proteins), async (program) => {
          const [row] = await runPrinting(work, program, counted);
          return [row];
        })),
      );
    }
    return rows;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function programs(
  what: string,
  peers: readonly string[],
  file: string,
  proteins: number,
): readonly Program[] {
  const args = [what, file, String(proteins), String(FETCHES)];
  return [
    { name: OURS, command: [process.execPath, SCRIPT, ...args] },
    ...peers.map((peer) => pythonProgram(peer, PYTHON_SCRIPT, peer, ...args)),
  ];
}

/** Lengths as proteins have them: many of some 300 residues, few of thousands. */
function writeProteins(file: string, count: number): number {
  const random = randomOf(1);
  const letters = "ACDEFGHIKLMNPQRSTVWY";
  const pool = Array.from({ length: 2 ** 16 }, () => letters[random(20)]).join("");
  const fd = fs.openSync(file, "w");
  let bytes = 0;
  let text = "";
  for (let i = 0; i < count; i++) {
    const length = Math.min(5000, 30 + Math.floor(-300 * Math.log(1 - random(2 ** 20) / 2 ** 20)));
    const begin = random(2 ** 16 - 5000);
    text += `>UniRef50_A0A${i} Uncharacterized protein n=${i % 7} Tax=x\n`;
    for (let at = 0; at < length; at += 60) {
      text += `${pool.slice(begin + at, begin + Math.min(at + 60, length))}\n`;
    }
    if (text.length < 2 ** 20 && i < count - 1) continue;
    bytes += fs.writeSync(fd, text);
    text = "";
  }
  fs.closeSync(fd);
  return bytes;
}
