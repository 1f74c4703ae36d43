import { integer, option, string } from "@oclif/core/flags";
import type { TrainEsm2Options, TrainedEsm2 } from "../../../src/train/train-esm2.ts";
import { number } from "../../number-flag.ts";
import { TrainCommand } from "../../train-command.ts";
import { DATA, given, MODEL, STEPS, trainFlags, trainOptions } from "../../train-flags.ts";

export default class TrainEsm2 extends TrainCommand {
  static override summary = "Train ESM-2 on this machine's CPU.";
  static override description =
    "Flags have the names and defaults of BioNeMo's train_esm2 where nothing else is said. Ctrl-C ends " +
    "after the step in progress and writes a checkpoint; the same command with --resume-if-exists goes " +
    "on, and the weights are those of a run that never stopped.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --data proteins.fasta --valid-share 0.05 --max-seq-length 128 --num-steps 200",
    "<%= config.bin %> <%= command.id %> --train-cluster-path train.parquet --train-database-path train.db " +
      "--valid-cluster-path valid.parquet --valid-database-path valid.db",
  ];

  static override flags = {
    data: string({
      ...DATA,
      summary:
        "Proteins: FASTA, CSV, TSV, JSON lines, parquet, an SQLite data base, a folder of shards " +
        "(*.tar) or of `proteins build --store`.",
    }),
    "valid-data": string({ ...DATA, summary: "Validation proteins, as --data." }),
    "valid-share": number({ ...DATA, summary: "Share of --data held out for validation." }),
    "train-cluster-path": string({ ...DATA, summary: "Parquet of clusters." }),
    "train-database-path": string({ ...DATA, summary: "SQLite file of their proteins." }),
    "valid-cluster-path": string({ ...DATA, summary: "The same for validation." }),
    "valid-database-path": string({ ...DATA, summary: "The same for validation." }),
    "min-seq-length": integer({ ...DATA, min: 1, summary: "Default: --max-seq-length." }),
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
    "scheduler-num-steps": integer({ ...STEPS, min: 1, summary: "Default: --num-steps." }),
    "warmup-steps": integer({
      ...STEPS,
      min: 0,
      summary: "Default 2000, but at most a tenth of the steps.",
    }),
    ...trainFlags({
      experimentName: "esm2",
      numSteps: 500_000,
      lr: 4e-4,
      microBatchSize: 8,
      samples: "Proteins",
    }),
  };

  async run(): Promise<TrainedEsm2> {
    const { flags } = await this.parse(TrainEsm2);
    const { trainEsm2 } = await import("../../../src/train/train-esm2.ts");
    const options: TrainEsm2Options = {
      ...trainOptions(flags),
      ...given({
        data: flags.data,
        validData: flags["valid-data"],
        validShare: flags["valid-share"],
        trainClusterPath: flags["train-cluster-path"],
        trainDatabasePath: flags["train-database-path"],
        validClusterPath: flags["valid-cluster-path"],
        validDatabasePath: flags["valid-database-path"],
        minSeqLength: flags["min-seq-length"],
        schedulerNumSteps: flags["scheduler-num-steps"],
        warmupSteps: flags["warmup-steps"],
        model: flags.size ?? sizeOf(flags),
      }),
      maxSeqLength: flags["max-seq-length"],
      randomMaskStrategy: flags["random-mask-strategy"],
    };
    return this.train(flags, (shared) => trainEsm2({ ...options, ...shared }));
  }
}

interface SizeFlags {
  readonly "num-layers"?: number | undefined;
  readonly "hidden-size"?: number | undefined;
  readonly "num-attention-heads"?: number | undefined;
  readonly "ffn-hidden-size"?: number | undefined;
}

function sizeOf(flags: SizeFlags): TrainEsm2Options["model"] {
  const intermediateSize = flags["ffn-hidden-size"];
  const given = [flags["num-layers"], flags["hidden-size"], flags["num-attention-heads"]];
  if ([...given, intermediateSize].every((value) => value === undefined)) return undefined;
  return {
    layers: flags["num-layers"] ?? 6,
    hiddenSize: flags["hidden-size"] ?? 320,
    heads: flags["num-attention-heads"] ?? 20,
    ...(intermediateSize === undefined ? {} : { intermediateSize }),
  };
}
