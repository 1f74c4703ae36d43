import { string } from "@oclif/core/args";
import { boolean, integer } from "@oclif/core/flags";
import type { InspectReport } from "../../src/inspect/report.ts";
import { BaseCommand } from "../base-command.ts";
import { EXIT_FAILURE } from "../error-text.ts";
import { inspectionText } from "../inspect-text.ts";
import { ProgressLine } from "../progress.ts";

export default class Inspect extends BaseCommand {
  static override summary = "Describe an SCDL data set, an AnnData file or a 10x Genomics file.";
  static override description =
    "Shape, types, size, annotations, and how many counts and genes the cells have. With --verify " +
    "everything is read and checked; problems are listed and the exit code is 1.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> pbmc.h5ad",
    "<%= config.bin %> <%= command.id %> pbmc.scdl --verify",
    "<%= config.bin %> <%= command.id %> pbmc.scdl --json --head 3",
  ];

  static override args = {
    path: string({ required: true, description: "An SCDL folder, an .h5ad or a 10x .h5 file." }),
  };

  static override flags = {
    head: integer({ min: 0, default: 0, summary: "Also show the first N rows." }),
    verify: boolean({ summary: "Read and check everything, checksums included." }),
  };

  async run(): Promise<InspectReport> {
    const { args, flags } = await this.parse(Inspect);
    const { inspect } = await import("../../src/inspect/inspect.ts");
    using progress = new ProgressLine();
    const report = await inspect(args.path, {
      head: flags.head,
      verify: flags.verify,
      signal: this.signal,
      onProgress: ({ done, total, unit }) =>
        progress.update({
          label: "verifying",
          done,
          total,
          unit,
          ...(unit === "bytes" ? { bytesDone: done } : {}),
        }),
    });
    progress.clear();
    this.log(inspectionText(report));
    if (report.problems.some(({ severity }) => severity === "error"))
      process.exitCode = EXIT_FAILURE;
    return report;
  }
}
