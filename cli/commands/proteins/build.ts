import { string as textArgument } from "@oclif/core/args";
import { boolean, string } from "@oclif/core/flags";
import type { BuildProteinsProgress, BuiltProteins } from "../../../src/proteins/build-proteins.ts";
import { BaseCommand } from "../../base-command.ts";
import { oneLine } from "../../error-text.ts";
import { operands } from "../../operands.ts";
import { outputName } from "../../output-name.ts";
import { formatCount, ProgressLine } from "../../progress.ts";

export default class ProteinsBuild extends BaseCommand {
  static override summary = "Build a protein data base, its cluster table, and a flat store.";
  static override description =
    "INPUT is FASTA or FASTQ (also gzip, bgzip, zstd), an SQLite data base of proteins, or a parquet " +
    "table with the columns id and sequence. --table gives their clusters: parquet with lists in " +
    "ur90_id, or lines cluster<TAB>member as mmseqs createtsv writes them. --database and --clusters " +
    "are what bionemo-esm2 reads; --store is read ten times as fast.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> uniref90.fasta.gz --table clusters.tsv --database uniref.db --clusters train.parquet",
    "<%= config.bin %> <%= command.id %> uniref.db --table train.parquet --store uniref.proteins",
  ];
  static override usage = "proteins build INPUT... --store DIR";
  static override strict = false;
  static override args = {
    input: textArgument({ description: "Files of proteins.", required: false }),
  };

  static override flags = {
    table: string({ summary: "Cluster table: parquet, or lines cluster<TAB>member." }),
    database: string({ summary: "SQLite file to write." }),
    clusters: string({ summary: "Cluster table to write, as parquet. Needs --table." }),
    store: string({ summary: "Store to write, a folder; the clusters of --table are in it." }),
    missing: string({
      options: ["error", "skip"],
      default: "error",
      summary: "What to do with members that no input has.",
    }),
    overwrite: boolean({ summary: "Replace existing outputs." }),
  };

  async run(): Promise<BuiltProteins> {
    const { raw, flags } = await this.parse(ProteinsBuild);
    const { buildProteins } = await import("../../../src/proteins/build-proteins.ts");
    using progress = new ProgressLine();
    const named = (name: "database" | "clusters" | "store") =>
      flags[name] === undefined ? {} : { [name]: outputName(name, flags[name]) };
    const built = await buildProteins({
      inputs: operands(raw),
      ...(flags.table === undefined ? {} : { table: flags.table }),
      ...named("database"),
      ...named("clusters"),
      ...named("store"),
      missing: flags.missing === "skip" ? "skip" : "error",
      overwrite: flags.overwrite,
      signal: this.signal,
      onProgress: (update) => progress.update(lineOf(update)),
    });
    progress.clear();
    const outputs = [flags.database, flags.clusters, flags.store].filter(
      (path) => path !== undefined,
    );
    this.log(summary(outputs, built));
    return built;
  }
}

function lineOf({ phase, done, total }: BuildProteinsProgress) {
  const label = { proteins: "reading", names: "index of names", clusters: "clusters" }[phase];
  const unit = phase === "clusters" ? "clusters" : "proteins";
  return { label, done, unit, ...(total === undefined ? {} : { total }) };
}

function summary(outputs: readonly string[], built: BuiltProteins): string {
  const lines = [
    `wrote ${outputs.map(oneLine).join(", ")}: ${formatCount(built.proteins)} proteins, ` +
      `${formatCount(built.residues)} residues`,
  ];
  if (built.clusters !== null) {
    lines.push(
      `  clusters: ${formatCount(built.clusters)} with ${formatCount(built.members ?? 0)} members`,
    );
  }
  if (built.missingMembers > 0) {
    lines.push(
      `  left out: ${formatCount(built.missingMembers)} members that no input has, ` +
        `${formatCount(built.droppedClusters)} clusters that had no other`,
    );
  }
  return lines.join("\n");
}
