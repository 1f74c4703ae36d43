import { string } from "@oclif/core/args";
import { boolean } from "@oclif/core/flags";
import type { ShardsReport } from "../../../src/webdataset/inspect-shards.ts";
import { BaseCommand } from "../../base-command.ts";
import { EXIT_FAILURE } from "../../error-text.ts";
import { operands } from "../../operands.ts";
import { ProgressLine } from "../../progress.ts";
import { shardsText } from "../../shards-text.ts";

export default class ShardsInspect extends BaseCommand {
  static override summary = "Describe WebDataset shards: samples, fields, sizes, damage.";
  static override description =
    "Reads every shard through. With --verify each field is decoded. Damage is listed and the exit " +
    "code is 1.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> shards",
    '<%= config.bin %> <%= command.id %> "train-{000000..000015}.tar" --verify',
  ];
  static override strict = false;

  static override args = {
    shards: string({
      required: true,
      description: "A folder, a shard, or shards as a{0..9}.tar::b.tar; repeatable.",
    }),
  };

  static override flags = {
    verify: boolean({ summary: "Decode every field." }),
  };

  async run(): Promise<ShardsReport> {
    const { raw, flags } = await this.parse(ShardsInspect);
    const { inspectShards } = await import("../../../src/webdataset/inspect-shards.ts");
    using progress = new ProgressLine();
    const report = await inspectShards(operands(raw), {
      verify: flags.verify,
      signal: this.signal,
      onProgress: ({ shards, total }) =>
        progress.update({ label: "reading", done: shards, total, unit: "shards" }),
    });
    progress.clear();
    this.log(shardsText(report));
    if (report.problems.some(({ severity }) => severity === "error")) {
      process.exitCode = EXIT_FAILURE;
    }
    return report;
  }
}
