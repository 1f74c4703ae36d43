import { string } from "@oclif/core/args";
import { boolean, integer, string as text } from "@oclif/core/flags";
import type { WrittenDatasetShards } from "../../../src/webdataset/write-dataset-shards.ts";
import { BaseCommand } from "../../base-command.ts";
import { oneLine } from "../../error-text.ts";
import { outputName } from "../../output-name.ts";
import { formatBytes, formatCount, ProgressLine } from "../../progress.ts";

export default class ShardsWrite extends BaseCommand {
  static override summary = "Write an SCDL data set as WebDataset shards.";
  static override description =
    "Every cell is a sample: its stored values as data.npy and indices.npy, or as x.npy with zeros, " +
    "and chosen obs columns as obs.json. shards.json beside the shards names the genes. Python's " +
    "webdataset reads them.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> pbmc.scdl --output shards --samples-per-shard 10000",
    "<%= config.bin %> <%= command.id %> pbmc.scdl -o shards --samples-per-shard 10000 --obs cell_type --shuffle 7",
  ];

  static override args = {
    dataset: string({ required: true, description: "An SCDL folder." }),
  };

  static override flags = {
    output: text({ char: "o", required: true, summary: "The folder to write." }),
    "samples-per-shard": integer({ required: true, min: 1, summary: "Cells of a shard." }),
    prefix: text({ default: "cells", summary: "Shards are PREFIX-000000.tar." }),
    dense: boolean({ summary: "Values with their zeros, as x.npy." }),
    obs: text({ multiple: true, summary: "An obs column for obs.json; repeatable." }),
    shuffle: integer({ min: 0, summary: "Write the cells in the random order of this seed." }),
    compress: text({ options: ["gzip", "zstd"], summary: "Compress each shard." }),
    overwrite: boolean({ summary: "Replace a folder of shards." }),
  };

  async run(): Promise<WrittenDatasetShards> {
    const { args, flags } = await this.parse(ShardsWrite);
    const { writeDatasetShards } = await import("../../../src/webdataset/write-dataset-shards.ts");
    using progress = new ProgressLine();
    const result = await writeDatasetShards(args.dataset, {
      output: outputName("output", flags.output),
      samplesPerShard: flags["samples-per-shard"],
      prefix: flags.prefix,
      layout: flags.dense ? "dense" : "sparse",
      obs: flags.obs ?? [],
      compress: flags.compress === "gzip" || flags.compress === "zstd" ? flags.compress : null,
      overwrite: flags.overwrite,
      signal: this.signal,
      ...(flags.shuffle === undefined ? {} : { shuffleSeed: flags.shuffle }),
      onWarning: (message) => this.warning(message),
      onProgress: ({ samples, total }) =>
        progress.update({ label: "writing", done: samples, total, unit: "cells" }),
    });
    progress.clear();
    const bytes = result.shards.reduce((sum, { dataBytes }) => sum + dataBytes, 0);
    this.log(
      `wrote ${oneLine(result.output)}: ${formatCount(result.samples)} cells in ${result.shards.length} shards, ` +
        `${formatBytes(bytes)} of ${result.fields.join(", ")}`,
    );
    return result;
  }
}
