/** Proteins of 1,024 tokens, tokenised, masked and collated, against BioNeMo's own data set. */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { AMINO_ACID_IDS, defaultRng, ESM_TOKENS } from "../built.ts";
import type { Program, Row } from "../measure.ts";
import { inTurn, type PartContext, runPrinting } from "../part.ts";
import { pythonProgram } from "../python.ts";
import { OURS } from "../report.ts";

const PROTEINS = 1024;
const RESIDUES = 1022;
const BATCH = "64";
const SCRIPT = fileURLToPath(new URL("./esm-node.ts", import.meta.url));
const PYTHON_SCRIPT = fileURLToPath(new URL("./esm_bionemo.py", import.meta.url));

/** Both hold the proteins in memory and take every item of one epoch in order, 64 a batch. */
export async function esmTokens(context: PartContext): Promise<Row[]> {
  const count = Math.max(64, Math.round(PROTEINS * context.scale));
  const file = path.join(context.folder, `proteins-${count}.txt`);
  if (!fs.existsSync(file)) fs.writeFileSync(file, sequences(count));
  const counted = { amount: count, unit: "proteins" };
  return inTurn(context.rounds, programs(file), async (program) => {
    const work = "proteins of 1,024 tokens: tokenise, mask, collate";
    const [row] = await runPrinting(work, program, counted);
    return [row];
  });
}

function programs(file: string): Program[] {
  const ours = { name: OURS, command: [process.execPath, SCRIPT, file, BATCH] };
  const checkout = process.env["SCDL_BIONEMO_SRC"] ?? "";
  const hasSource = fs.existsSync(path.join(checkout, "sub-packages/bionemo-esm2"));
  const peers = ["0", "1", "2"].map((workers): Program => {
    const name = `BioNeMo, DataLoader with ${workers} workers`;
    if (hasSource) return pythonProgram(name, PYTHON_SCRIPT, checkout, file, BATCH, workers);
    return { name, command: null, note: "SCDL_BIONEMO_SRC names no checkout with bionemo-esm2" };
  });
  return [ours, ...peers];
}

function sequences(count: number): string {
  const rng = defaultRng(4);
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const ids = rng.integers(...AMINO_ACID_IDS, RESIDUES);
    lines.push(Array.from(ids, (id) => ESM_TOKENS[id]).join(""));
  }
  return `${lines.join("\n")}\n`;
}
