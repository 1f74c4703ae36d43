import { string } from "@oclif/core/args";
import { boolean } from "@oclif/core/flags";
import type { ProteinsReport } from "../../../src/proteins/inspect-proteins.ts";
import { BaseCommand } from "../../base-command.ts";
import { EXIT_FAILURE, oneLine } from "../../error-text.ts";
import { formatBytes, formatCount, ProgressLine } from "../../progress.ts";

export default class ProteinsInspect extends BaseCommand {
  static override summary = "Describe a protein store or data base.";
  static override description =
    "Counts of proteins, residues and clusters. With --verify every file of a store is read and " +
    "compared with its checksum, or the data base checked by SQLite; problems are listed and the exit " +
    "code is 1.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> uniref.proteins --verify",
    "<%= config.bin %> <%= command.id %> uniref.db --json",
  ];

  static override args = {
    path: string({ required: true, description: "A store (a folder) or an SQLite file." }),
  };

  static override flags = {
    verify: boolean({ summary: "Read and check everything." }),
  };

  async run(): Promise<ProteinsReport> {
    const { args, flags } = await this.parse(ProteinsInspect);
    const { inspectProteins } = await import("../../../src/proteins/inspect-proteins.ts");
    using progress = new ProgressLine();
    const report = await inspectProteins(args.path, {
      verify: flags.verify,
      signal: this.signal,
      onProgress: ({ done, total }) =>
        progress.update({ label: "verifying", done, total, unit: "bytes", bytesDone: done }),
    });
    progress.clear();
    this.log(reportText(report));
    if (report.problems.length > 0) process.exitCode = EXIT_FAILURE;
    return report;
  }
}

function reportText(report: ProteinsReport): string {
  const { kind, proteins, residues, clusters, members, bytesOnDisk, problems } = report;
  const lines = [
    `${report.path}: ${kind === "store" ? "protein store" : "protein data base (SQLite)"}, ${formatBytes(bytesOnDisk)}`,
    `  proteins: ${formatCount(proteins)}`,
  ];
  if (residues !== null) lines.push(`  residues: ${formatCount(residues)}`);
  if (clusters !== null) {
    lines.push(`  clusters: ${formatCount(clusters)} with ${formatCount(members ?? 0)} members`);
  }
  if (report.isVerified && problems.length === 0) lines.push("  verified: no problems");
  for (const problem of problems) lines.push(`  problem: ${problem}`);
  return lines.map(oneLine).join("\n");
}
