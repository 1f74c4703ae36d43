/** Cells to ranked genes, from a data set to ids on disk, beside the official tokenizer's own code. */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Program, Row } from "../measure.ts";
import { inTurn, type PartContext, runPrinting } from "../part.ts";
import { pythonProgram } from "../python.ts";
import { OURS } from "../report.ts";
import { makeCells } from "./make-cells.ts";

const CELLS = 40_000;
const SCRIPT = fileURLToPath(new URL("./tokenize-node.ts", import.meta.url));
const PYTHON_SCRIPT = fileURLToPath(new URL("./tokenize_official.py", import.meta.url));

/** The same ids or the report says so; their order is not compared: numpy's sort is not stable. */
export async function cellTokens(context: PartContext): Promise<Row[]> {
  const cells = Math.max(1_000, Math.round(CELLS * context.scale));
  const folder = path.join(context.folder, `cell-tokens-${cells}`);
  await makeCells(folder, cells);
  const output = fs.mkdtempSync(path.join(context.folder, "tokens-"));
  try {
    const counted = { amount: cells, unit: "cells" };
    return await inTurn(context.rounds, programs(folder, output), async (program) => {
      const [row] = await runPrinting("cells of 1,500 genes to ids on disk", program, counted);
      return [row];
    });
  } finally {
    fs.rmSync(output, { recursive: true, force: true });
  }
}

function programs(folder: string, output: string): readonly Program[] {
  const ours = { name: OURS, command: [process.execPath, SCRIPT, folder, output] };
  const name = "Geneformer's tokenizer.py";
  const source = process.env["SCDL_GENEFORMER_TOKENIZER"];
  if (source === undefined || !fs.existsSync(source)) {
    const note = "SCDL_GENEFORMER_TOKENIZER names no geneformer/tokenizer.py";
    return [ours, { name, command: null, note }];
  }
  return [ours, pythonProgram(name, PYTHON_SCRIPT, source, folder, output)];
}
