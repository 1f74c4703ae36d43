import { string } from "@oclif/core/args";
import { boolean, integer, string as text } from "@oclif/core/flags";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { WrittenProteinShards } from "../../../src/proteins/write-protein-shards.ts";
import type { ShardFolderOptions } from "../../../src/webdataset/shard-folder.ts";
import type { WrittenDatasetShards } from "../../../src/webdataset/write-dataset-shards.ts";
import { BaseCommand } from "../../base-command.ts";
import { oneLine } from "../../error-text.ts";
import { outputName } from "../../output-name.ts";
import { formatBytes, formatCount, ProgressLine } from "../../progress.ts";

export default class ShardsWrite extends BaseCommand {
  static override summary = "Write an SCDL data set or proteins as WebDataset shards.";
  static override description =
    "Every cell is a sample: its stored values as data.npy and indices.npy, or as x.npy with zeros, " +
    "and chosen obs columns as obs.json. shards.json beside the shards names the genes. Of proteins (a " +
    "file of them, or a folder of `proteins build --store`) each is a sample: sequence.txt and id.txt. " +
    "Python's webdataset reads both; the train commands do.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> pbmc.scdl --output shards --samples-per-shard 10000",
    "<%= config.bin %> <%= command.id %> pbmc.scdl -o shards --samples-per-shard 10000 --obs cell_type --shuffle 7",
    "<%= config.bin %> <%= command.id %> proteins.fasta -o shards --samples-per-shard 100000",
  ];

  static override args = {
    dataset: string({
      required: true,
      description: "An SCDL folder, or proteins: FASTA, a table, SQLite, a store.",
    }),
  };

  static override flags = {
    output: text({ char: "o", required: true, summary: "The folder to write." }),
    "samples-per-shard": integer({ required: true, min: 1, summary: "Samples of a shard." }),
    prefix: text({ summary: "Shards are PREFIX-000000.tar. Default cells, or proteins." }),
    dense: boolean({ summary: "Cells: values with their zeros, as x.npy." }),
    obs: text({ multiple: true, summary: "Cells: an obs column for obs.json; repeatable." }),
    shuffle: integer({ min: 0, summary: "Write them in the random order of this seed." }),
    compress: text({ options: ["gzip", "zstd"], summary: "Compress each shard." }),
    overwrite: boolean({ summary: "Replace a folder of shards." }),
  };

  async run(): Promise<WrittenDatasetShards | WrittenProteinShards> {
    const { args, flags } = await this.parse(ShardsWrite);
    const { namesProteins, writeProteinShards } = await import(
      "../../../src/proteins/write-protein-shards.ts"
    );
    const { writeDatasetShards } = await import("../../../src/webdataset/write-dataset-shards.ts");
    const isProteins = namesProteins(args.dataset);
    const unit = isProteins ? "proteins" : "cells";
    for (const name of ["dense", "obs"] as const) {
      if (isProteins && flags[name] !== undefined && flags[name] !== false) {
        throw new InvalidArgumentError(name, flags[name], `--${name} is for cells, not proteins`);
      }
    }
    using progress = new ProgressLine();
    const options = {
      output: outputName("output", flags.output),
      samplesPerShard: flags["samples-per-shard"],
      ...(flags.prefix === undefined ? {} : { prefix: flags.prefix }),
      compress: flags.compress === "gzip" || flags.compress === "zstd" ? flags.compress : null,
      overwrite: flags.overwrite,
      signal: this.signal,
      ...(flags.shuffle === undefined ? {} : { shuffleSeed: flags.shuffle }),
      onWarning: (message: string) => this.warning(message),
      onProgress: ({ samples, total }: { readonly samples: number; readonly total: number }) =>
        progress.update({ label: "writing", done: samples, total, unit }),
    } satisfies ShardFolderOptions;
    const result = isProteins
      ? await writeProteinShards(args.dataset, options)
      : await writeDatasetShards(args.dataset, {
          ...options,
          layout: flags.dense ? "dense" : "sparse",
          obs: flags.obs ?? [],
        });
    progress.clear();
    const bytes = result.shards.reduce((sum, { dataBytes }) => sum + dataBytes, 0);
    this.log(
      `wrote ${oneLine(result.output)}: ${formatCount(result.samples)} ${unit} in ${result.shards.length} shards, ` +
        `${formatBytes(bytes)} of ${result.fields.join(", ")}`,
    );
    return result;
  }
}
