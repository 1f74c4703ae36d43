import { integer, option, string } from "@oclif/core/flags";
import type { TrainedEsm2 } from "../../../src/train/runs/train-esm2.ts";
import { CONFIG_FLAGS } from "../../config-flags.ts";
import { number } from "../../number-flag.ts";
import { ORIGINAL_ESM2_FLAGS } from "../../original-train-flags.ts";
import { PreparationLines } from "../../preparation.ts";
import { TrainCommand } from "../../train-command.ts";
import {
  configDefaults,
  DATA,
  DROPOUT_FLAGS,
  MODEL,
  scheduleFlags,
  trainFlags,
} from "../../train-flags.ts";
import { ESM2_KEYS } from "../../train-keys.ts";

export default class TrainEsm2 extends TrainCommand {
  static override summary = "Train ESM-2, on the CPU or on the device that --device names.";
  static override description =
    "Flags have the names and defaults of BioNeMo's train_esm2 where nothing else is said. Ctrl-C ends " +
    "after the steps in progress and writes a checkpoint; the same command with --resume-if-exists goes " +
    "on, and the weights are those of a run that never stopped.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --data proteins.fasta --valid-share 0.05 --max-seq-length 128 --num-steps 200",
    "<%= config.bin %> <%= command.id %> --config run.yaml --set optim_config.lr=1e-3",
    "<%= config.bin %> <%= command.id %> --train-cluster-path train.parquet --train-database-path train.db " +
      "--valid-cluster-path valid.parquet --valid-database-path valid.db",
  ];

  static override flags = {
    data: string({
      ...DATA,
      multiple: true,
      summary:
        "Proteins: FASTA, CSV, TSV, JSON lines, parquet, an SQLite data base, a folder of shards " +
        "(*.tar) or of `proteins build --store`.",
    }),
    "valid-data": string({ ...DATA, multiple: true, summary: "Validation proteins, as --data." }),
    "valid-share": number({ ...DATA, summary: "Share of --data held out for validation." }),
    "train-cluster-path": string({ ...DATA, summary: "Parquet of clusters." }),
    "train-database-path": string({ ...DATA, summary: "SQLite file of their proteins." }),
    "valid-cluster-path": string({ ...DATA, summary: "The same for validation." }),
    "valid-database-path": string({ ...DATA, summary: "The same for validation." }),
    "min-seq-length": string({
      ...DATA,
      summary: "Least tokens of a row, None for no such. Default: --max-seq-length.",
    }),
    "max-seq-length": integer({ ...DATA, min: 3, default: 1024, summary: "Most tokens of a row." }),
    "random-mask-strategy": option({
      ...DATA,
      options: ["all_tokens", "amino_acids_only"] as const,
      default: "all_tokens",
      summary: "What takes the place of some masked residues.",
    })(),
    size: option({
      ...MODEL,
      options: ["8M", "35M", "150M", "650M", "3B", "15B"] as const,
      summary: "A published size. Default: that of the weights to restore, or 8M.",
      exclusive: ["num-layers", "hidden-size", "num-attention-heads"],
    })(),
    "num-layers": integer({ ...MODEL, min: 1, summary: "Default 6." }),
    "hidden-size": integer({ ...MODEL, min: 1, summary: "Default 320." }),
    "num-attention-heads": integer({ ...MODEL, min: 1, summary: "Default 20." }),
    "ffn-hidden-size": integer({ ...MODEL, min: 1, summary: "Default: 4 times --hidden-size." }),
    ...CONFIG_FLAGS,
    ...scheduleFlags("esm2"),
    ...DROPOUT_FLAGS,
    ...trainFlags({ ...configDefaults("esm2"), samples: "Proteins" }),
    ...ORIGINAL_ESM2_FLAGS,
  };

  async run(): Promise<TrainedEsm2> {
    const parsed = await this.parse(TrainEsm2);
    const config = await this.configOf("esm2", parsed, ESM2_KEYS);
    const { runOptions, sizesOf } = await import("../../../src/train/config/run-options.ts");
    const { trainEsm2 } = await import("../../../src/train/runs/train-esm2.ts");
    const options = { ...runOptions("esm2", config), model: sizesOf(config) };
    const resumeIfExists = parsed.flags["resume-if-exists"];
    using lines = new PreparationLines("proteins", (line) => this.log(line));
    const onPreparation = lines.update.bind(lines);
    return await this.train(config, (shared) =>
      trainEsm2({ ...options, resumeIfExists, ...shared, onPreparation }),
    );
  }
}
