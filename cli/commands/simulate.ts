import { boolean, integer, string } from "@oclif/core/flags";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { SimulateResult } from "../../src/simulate/simulate-h5ad.ts";
import { BaseCommand } from "../base-command.ts";
import { oneLine } from "../error-text.ts";
import { outputName } from "../output-name.ts";
import { formatBytes, formatCount, ProgressLine } from "../progress.ts";

export default class Simulate extends BaseCommand {
  static override summary = "Write a synthetic AnnData file with realistic counts, of any size.";
  static override description =
    "Log-normal gene means, negative binomial counts, log-normal library sizes, eight cell types; " +
    "csr counts under raw/X, obs and var columns. The same options and seed give the same values.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --cells 10000 --genes 20000 --output demo.h5ad",
    "<%= config.bin %> <%= command.id %> --cells 200000 --genes 30000 --nnz-per-cell 1000 --no-gzip --output big.h5ad",
  ];

  static override flags = {
    cells: integer({ required: true, min: 1, summary: "Rows (obs)." }),
    genes: integer({ required: true, min: 1, summary: "Columns (var)." }),
    output: string({ char: "o", required: true, summary: "The .h5ad file to write." }),
    "nnz-per-cell": integer({
      min: 1,
      exclusive: ["sparsity"],
      summary: "Expected stored values per cell [6 % of the genes].",
    }),
    sparsity: string({ summary: "Expected share of zeros, 0.1 to below 1 [0.94]." }),
    matrix: string({
      options: ["raw", "X"],
      default: "raw",
      summary: "Where the counts go.",
    }),
    dtype: string({
      options: ["float32", "float64", "int32", "uint16", "uint32"],
      default: "float32",
      summary: "Type the counts are stored in.",
    }),
    gzip: integer({
      min: 0,
      max: 9,
      default: 4,
      summary: "gzip level; 0 is the same as --no-gzip.",
    }),
    "no-gzip": boolean({ summary: "Store without compression." }),
    seed: integer({ min: 0, default: 0, summary: "Seed of all values." }),
    overwrite: boolean({ summary: "Replace an existing file." }),
  };

  async run(): Promise<SimulateResult> {
    const { flags } = await this.parse(Simulate);
    const { simulateH5ad } = await import("../../src/simulate/simulate-h5ad.ts");
    using progress = new ProgressLine();
    const nnzPerCell = perCell(flags["nnz-per-cell"], flags.sparsity, flags.genes);
    const result = await simulateH5ad({
      output: outputName("output", flags.output),
      nObs: flags.cells,
      nVars: flags.genes,
      matrix: flags.matrix === "X" ? "X" : "raw",
      dtype: dtypeOf(flags.dtype),
      gzip: flags["no-gzip"] || flags.gzip === 0 ? null : flags.gzip,
      seed: flags.seed,
      overwrite: flags.overwrite,
      signal: this.signal,
      ...(nnzPerCell === undefined ? {} : { nnzPerCell }),
      onProgress: ({ rows, totalRows }) =>
        progress.update({ label: "simulating", done: rows, total: totalRows, unit: "cells" }),
    });
    progress.clear();
    this.log(
      `wrote ${oneLine(result.path)}: ${formatCount(result.nObs)} cells x ${formatCount(result.nVars)} genes, ` +
        `${formatCount(result.nnz)} values in ${result.matrix === "raw" ? "raw/X" : "X"}, ${formatBytes(result.bytes)}`,
    );
    return result;
  }
}

function perCell(
  nnz: number | undefined,
  sparsity: string | undefined,
  genes: number,
): number | undefined {
  if (nnz !== undefined || sparsity === undefined) return nnz;
  const share = Number(sparsity);
  if (!(share >= 0.1 && share < 1)) {
    throw new InvalidArgumentError(
      "sparsity",
      sparsity,
      `--sparsity: expected a number from 0.1 to below 1, found "${sparsity}"`,
    );
  }
  return (1 - share) * genes;
}

function dtypeOf(name: string): "float32" | "float64" | "int32" | "uint16" | "uint32" {
  switch (name) {
    case "float64":
    case "int32":
    case "uint16":
    case "uint32":
      return name;
    default:
      return "float32";
  }
}
