// The folder gives the command its name: a file index.ts alone would be `scdl fasta`.
import { string } from "@oclif/core/args";
import { boolean, string as text } from "@oclif/core/flags";
import type { FastaIndexReport } from "../../../../src/proteins/fasta-index.ts";
import { BaseCommand } from "../../../base-command.ts";
import { oneLine } from "../../../error-text.ts";
import { formatCount, ProgressLine } from "../../../progress.ts";

/** The rest is counted. */
const MAX_WARNINGS = 20;

export default class FastaIndex extends BaseCommand {
  static override summary =
    "Write the index of a FASTA or FASTQ file (.fai), as samtools faidx does.";
  static override description =
    "For a file that bgzip compressed the .gzi too. A later record with the name of an earlier one is " +
    "left out, with a warning.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> uniref50.fasta",
    "<%= config.bin %> <%= command.id %> genome.fa.gz --overwrite",
  ];
  static override args = {
    file: string({ required: true, description: "Plain, or compressed by bgzip." }),
  };

  static override flags = {
    output: text({ char: "o", summary: "Where the index goes [FILE.fai]." }),
    overwrite: boolean({ summary: "Replace an existing index." }),
  };

  async run(): Promise<FastaIndexReport> {
    const { args, flags } = await this.parse(FastaIndex);
    const { indexFasta } = await import("../../../../src/proteins/fasta-index.ts");
    using progress = new ProgressLine();
    let warnings = 0;
    const report = await indexFasta(args.file, {
      output: flags.output,
      overwrite: flags.overwrite,
      signal: this.signal,
      onProgress: ({ bytesDone, bytesTotal }) =>
        progress.update({
          label: "indexing",
          done: bytesDone,
          total: bytesTotal,
          unit: "bytes",
          bytesDone,
        }),
      onWarning: (message) => {
        progress.clear();
        if (warnings++ < MAX_WARNINGS) this.warning(message);
      },
    });
    progress.clear();
    if (warnings > MAX_WARNINGS) this.warning(`and ${warnings - MAX_WARNINGS} more`);
    const also = report.blockIndex === null ? "" : ` and ${oneLine(report.blockIndex)}`;
    this.log(`wrote ${oneLine(report.index)}${also}: ${formatCount(report.records)} records`);
    return report;
  }
}
