import { string } from "@oclif/core/args";
import type { FastaStats } from "../../../src/proteins/fasta-stats.ts";
import { BaseCommand } from "../../base-command.ts";
import { oneLine } from "../../error-text.ts";
import { operands } from "../../operands.ts";
import { ProgressLine } from "../../progress.ts";

const COLUMNS = ["file", "format", "records", "residues", "min", "mean", "max", "N50"] as const;

export default class FastaStatsCommand extends BaseCommand {
  static override summary = "Count the records and residues of FASTA and FASTQ files.";
  static override description =
    "Plain, gzip, bgzip or zstd. N50: half of the residues are in records of at least this length.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> uniref50.fasta.gz",
    "<%= config.bin %> <%= command.id %> *.fasta --json",
  ];
  static override usage = "fasta stats FILE...";
  static override strict = false;
  static override args = {
    file: string({ required: true, description: "FASTA or FASTQ files." }),
  };

  async run(): Promise<{ readonly files: readonly FastaStats[] }> {
    const { raw } = await this.parse(FastaStatsCommand);
    const { fastaStats } = await import("../../../src/proteins/fasta-stats.ts");
    using progress = new ProgressLine();
    const files: FastaStats[] = [];
    for (const path of operands(raw)) {
      const stats = await fastaStats(path, {
        signal: this.signal,
        onProgress: ({ records }) =>
          progress.update({ label: "reading", done: records, unit: "records" }),
      });
      files.push(stats);
    }
    progress.clear();
    this.log(statsText(files));
    return { files };
  }
}

function statsText(files: readonly FastaStats[]): string {
  const count = (value: number) => value.toLocaleString("en-US", { maximumFractionDigits: 1 });
  const rows: readonly (readonly string[])[] = [
    COLUMNS,
    ...files.map((file) => [
      oneLine(file.path),
      file.format ?? "empty",
      ...[file.records, file.residues, file.minLength, file.meanLength].map(count),
      ...[file.maxLength, file.n50].map(count),
    ]),
  ];
  const widths = COLUMNS.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join("  "),
    )
    .join("\n");
}
