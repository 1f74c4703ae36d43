import { string as textArgument } from "@oclif/core/args";
import { boolean, integer, string } from "@oclif/core/flags";
import { isScdlDType, SCDL_DTYPES } from "../../formats/common/dtype.ts";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { ConvertOptions, ConvertProgress, ConvertResult } from "../../src/convert/options.ts";
import { BaseCommand } from "../base-command.ts";
import { oneLine } from "../error-text.ts";
import { lastGiven } from "../last-given.ts";
import { operands } from "../operands.ts";
import { ORIGINAL_FLAGS, pythonInteger, spelledOut } from "../original-flags.ts";
import { outputName } from "../output-name.ts";
import { formatBytes, formatCount, ProgressLine } from "../progress.ts";

const MOST_WORKERS = 256;

export default class ConvertH5ad extends BaseCommand {
  static override summary = "Convert AnnData (.h5ad) or 10x files into one SCDL data set.";
  static override description =
    "INPUT is a file, or a folder whose *.h5ad files are taken at any depth, sorted by path. " +
    "Several become one data set in that order. The flags of bionemo-scdl's convert_h5ad_to_scdl " +
    "are accepted too; with them a lossy cast warns and goes on, as there.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> pbmc.h5ad --output pbmc.scdl",
    "<%= config.bin %> <%= command.id %> plates/ --matrix X --data-dtype uint16 --output plates.scdl --verify",
    "<%= config.bin %> <%= command.id %> --data-path plates --save-path plates.scdl --use-X-not-raw",
  ];
  static override usage = "convert-h5ad INPUT... --output DIR";
  static override strict = false;
  static override args = {
    input: textArgument({ description: "Files or folders.", required: false }),
  };

  static override flags = {
    output: string({ char: "o", summary: "Directory to create." }),
    matrix: string({
      summary: "raw, X or layers/NAME [raw; the only matrix of a 10x file].",
    }),
    "data-dtype": string({
      options: [...SCDL_DTYPES],
      summary: "Type of the stored values [float32].",
    }),
    "data-dtype-tolerance": string({
      summary: "Largest |stored - original| that is not a loss [0].",
    }),
    "allow-lossy": boolean({
      summary: "Store what a C cast gives and warn, instead of failing at the first value lost.",
    }),
    workers: integer({
      min: 0,
      max: MOST_WORKERS,
      summary: "Decoding threads; 0 decodes in the main one [one per processor, at most 8].",
    }),
    "memory-budget": string({ summary: "For buffers of all threads, e.g. 512MiB [192MiB]." }),
    "obs-columns": string({ summary: "obs columns to keep, comma separated [all]." }),
    "var-columns": string({ summary: "var columns to keep, comma separated [all]." }),
    "drop-index": boolean({
      summary: "Leave cell and gene ids out of frames that have columns, as the original does.",
    }),
    neighbors: string({ summary: "Store obsp/KEY as the neighbours.", helpValue: "KEY" }),
    verify: boolean({ summary: "Check the written data set." }),
    overwrite: boolean({ summary: "Replace an existing output." }),
    ...ORIGINAL_FLAGS,
  };

  async run(): Promise<ConvertResult> {
    const known = Object.keys({ ...ConvertH5ad.baseFlags, ...ConvertH5ad.flags });
    const words = lastGiven(spelledOut(this.argv, [...known, "json"]), ConvertH5ad.flags);
    const { raw, flags } = await this.parse(ConvertH5ad, words);
    const inputs = operands(raw);
    if (flags["data-path"] !== undefined) inputs.push(flags["data-path"]);
    const saved = flags.output ?? flags["save-path"];
    if (inputs.length === 0) throw missing("inputs", "INPUT (or --data-path)");
    if (saved === undefined) throw missing("output", "--output DIR (or --save-path)");
    const output = outputName(flags.output === undefined ? "save-path" : "output", saved);
    if (flags["use-X-not-raw"] && flags.matrix !== undefined && flags.matrix !== "X") {
      throw new InvalidArgumentError(
        "matrix",
        flags.matrix,
        `--use-X-not-raw and --matrix ${flags.matrix} contradict each other`,
        { suggestions: [`--matrix ${flags.matrix} alone`] },
      );
    }
    const isOriginal =
      flags["data-path"] !== undefined ||
      flags["save-path"] !== undefined ||
      flags["use-X-not-raw"];
    const workers = flags.workers ?? originalWorkers(flags);
    const matrix = flags["use-X-not-raw"] ? "X" : flags.matrix;
    const tolerance = toleranceOf(flags["data-dtype-tolerance"]) ?? (isOriginal ? 1e-8 : undefined);
    const dataDtype = flags["data-dtype"];
    const obsColumns = columnsOf(flags["obs-columns"]);
    const varColumns = columnsOf(flags["var-columns"]);

    const { convertH5ad } = await import("../../src/convert/convert-h5ad.ts");
    using line = new ProgressLine();
    const options: ConvertOptions = {
      inputs,
      output,
      ...(matrix === undefined ? {} : { matrix }),
      ...(dataDtype === undefined || !isScdlDType(dataDtype) ? {} : { dataDtype }),
      ...(tolerance === undefined ? {} : { dataDtypeTolerance: tolerance }),
      allowLossy: flags["allow-lossy"] || isOriginal,
      ...(workers === undefined ? {} : { workers }),
      ...budgetOf(flags["memory-budget"]),
      ...(obsColumns === undefined ? {} : { obsColumns }),
      ...(varColumns === undefined ? {} : { varColumns }),
      dropIndex: flags["drop-index"],
      ...(flags.neighbors === undefined ? {} : { neighbors: flags.neighbors }),
      verify: flags.verify,
      overwrite: flags.overwrite,
      signal: this.signal,
      onProgress: (progress) => line.update(updateOf(progress)),
      onWarning: (message) => {
        line.clear();
        this.warning(message);
      },
    };
    const result = await convertH5ad(options);
    line.clear();
    this.log(summary(result));
    return result;
  }
}

function missing(argument: string, what: string): InvalidArgumentError {
  return new InvalidArgumentError(argument, undefined, `expected ${what}`, {
    suggestions: ["scdl convert-h5ad data.h5ad --output data.scdl"],
  });
}

/** Checks the original's integers as its parser does; of them only the workers count here. */
function originalWorkers(
  flags: {
    readonly [name in "num-workers" | "paginated-load-cutoff" | "load-block-row-size"]?:
      | string
      | undefined;
  },
): number | undefined {
  for (const name of ["paginated-load-cutoff", "load-block-row-size"] as const) {
    if (flags[name] !== undefined) pythonInteger(name, flags[name]);
  }
  if (flags["num-workers"] === undefined) return undefined;
  return Math.min(MOST_WORKERS, pythonInteger("num-workers", flags["num-workers"]));
}

function toleranceOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const tolerance = Number(text);
  if (text.trim() !== "" && tolerance >= 0) return tolerance;
  throw new InvalidArgumentError(
    "data-dtype-tolerance",
    text,
    `--data-dtype-tolerance: expected a number of 0 or more, found "${text}"`,
    { suggestions: ["--data-dtype-tolerance 1e-6"] },
  );
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  K: 2 ** 10,
  KIB: 2 ** 10,
  KB: 1e3,
  M: 2 ** 20,
  MIB: 2 ** 20,
  MB: 1e6,
  G: 2 ** 30,
  GIB: 2 ** 30,
  GB: 1e9,
};

function budgetOf(text: string | undefined): { readonly memoryBudgetBytes?: number } {
  if (text === undefined) return {};
  const [, digits, unit] = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(text) ?? [];
  const factor = UNITS[unit?.toUpperCase() ?? "?"];
  if (digits !== undefined && factor !== undefined) {
    return { memoryBudgetBytes: Math.floor(Number(digits) * factor) };
  }
  throw new InvalidArgumentError(
    "memory-budget",
    text,
    `--memory-budget: expected bytes with or without a unit, found "${text}"`,
    { suggestions: ["--memory-budget 512MiB"] },
  );
}

function columnsOf(text: string | undefined): readonly string[] | undefined {
  return text?.split(",").filter((name) => name !== "");
}

function updateOf({ phase, file, rows, totalRows, bytes }: ConvertProgress) {
  const hasRows = phase === "converting";
  return {
    label: hasRows ? "converting" : `${phase} ${file}`,
    done: hasRows ? rows : 0,
    ...(hasRows ? { total: totalRows } : {}),
    bytesDone: bytes,
  };
}

function summary(result: ConvertResult): string {
  const { data, rowPtr, colPtr } = result.dtypes;
  const genes = [...new Set(result.nVars)].map((count) => formatCount(count)).join(", ");
  const files = result.files.length === 1 ? "" : ` from ${result.files.length} files`;
  const lines = [
    `wrote ${result.output}: ${formatCount(result.nObs)} rows x ${genes} columns${files}, ` +
      `${formatCount(result.nnz)} values, ${formatBytes(result.bytesOnDisk)}`,
    `  types: data ${data}, row pointers ${rowPtr}, columns ${colPtr}`,
    `  obs: ${result.obsColumns.join(", ") || "none"}`,
    `  var: ${result.varColumns.join(", ") || "none"}`,
  ];
  if (result.neighbors !== null) lines.push(`  neighbours: ${formatCount(result.neighbors)}`);
  if (result.verified) lines.push("  verified: every array, table and checksum");
  return lines.map(oneLine).join("\n");
}
