import { integer, option, string } from "@oclif/core/flags";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { FinetunedEsm2, FinetuneEsm2Options } from "../../../src/train/finetune-esm2.ts";
import { FINE_TUNE_FLAGS, headOptions, TOKEN_HEAD_FLAGS } from "../../fine-tune-flags.ts";
import { TrainCommand } from "../../train-command.ts";
import { DATA, given, trainFlags, trainOptions } from "../../train-flags.ts";

export default class FinetuneEsm2 extends TrainCommand {
  static override summary = "Fine-tune ESM-2 on a table of proteins with values or classes.";
  static override description =
    "Flags have the names and defaults of BioNeMo's finetune_esm2 where nothing else is said; " +
    "--task-type token-classification is its InMemoryPerTokenValueDataset with its " +
    "ESM2FineTuneTokenConfig. Checkpoints hold network, head and the names of the classes; " +
    "scdl infer esm2 takes them.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --restore-from-checkpoint-path results/esm2/checkpoints " +
      "--train-data-path train.csv --valid-data-path valid.csv --num-steps 200",
    "<%= config.bin %> <%= command.id %> --restore-from-checkpoint-path esm2_t6_8M_UR50D " +
      "--train-data-path train.csv --valid-data-path valid.csv --task-type classification " +
      "--label-column location --encoder-frozen",
  ];

  static override flags = {
    "train-data-path": string({
      ...DATA,
      required: true,
      summary: "CSV, TSV, JSON lines or parquet with sequences and labels.",
    }),
    "valid-data-path": string({ ...DATA, summary: "The same for validation." }),
    "label-column": string({ ...DATA, default: "labels", summary: "Column of the labels." }),
    "labels-mask-column": string({
      ...DATA,
      summary: "Column of strings of 0 and 1: which residues count.",
    }),
    "min-seq-length": integer({ ...DATA, min: 1, summary: "Least length of a row." }),
    "max-seq-length": integer({ ...DATA, min: 3, default: 512, summary: "Longer ones are cut." }),
    "task-type": option({
      ...DATA,
      options: ["regression", "classification", "token-classification"] as const,
      summary: "What the labels are. Default regression.",
    })(),
    "dataset-class": option({
      ...DATA,
      options: ["InMemorySingleValueDataset", "InMemoryPerTokenValueDataset"] as const,
      summary: "The original's word for one label a protein, or one a residue.",
    })(),
    "config-class": option({
      ...DATA,
      options: ["ESM2FineTuneSeqConfig", "ESM2FineTuneTokenConfig"] as const,
      summary: "The original's word for a head on sequences, or on tokens.",
    })(),
    ...FINE_TUNE_FLAGS,
    ...TOKEN_HEAD_FLAGS,
    ...trainFlags({
      experimentName: "esm2-finetune",
      numSteps: 500_000,
      lr: 4e-4,
      microBatchSize: 8,
      samples: "Proteins",
      valCheckInterval: 20,
      limitValBatches: 1000,
    }),
  };

  async run(): Promise<FinetunedEsm2> {
    const { flags } = await this.parse(FinetuneEsm2);
    const { finetuneEsm2 } = await import("../../../src/train/finetune-esm2.ts");
    const options: FinetuneEsm2Options = {
      ...trainOptions(flags),
      ...headOptions(flags),
      ...given({
        validDataPath: flags["valid-data-path"],
        labelsMaskColumn: flags["labels-mask-column"],
        minSeqLength: flags["min-seq-length"],
        cnnNumClasses: flags["cnn-num-classes"],
      }),
      trainDataPath: flags["train-data-path"],
      labelColumn: flags["label-column"],
      taskType: taskOf(flags),
      maxSeqLength: flags["max-seq-length"],
      cnnDropout: flags["cnn-dropout"],
      cnnHiddenSize: flags["cnn-hidden-size"],
    };
    return this.train(flags, (shared) => finetuneEsm2({ ...options, ...shared }));
  }
}

interface TaskFlags {
  readonly "task-type"?: FinetuneEsm2Options["taskType"];
  readonly "dataset-class"?: string | undefined;
  readonly "config-class"?: string | undefined;
}

/** One of three tasks, of the original's three flags. @throws InvalidArgumentError where they differ */
function taskOf(flags: TaskFlags): NonNullable<FinetuneEsm2Options["taskType"]> {
  const { "task-type": task, "dataset-class": dataset, "config-class": config } = flags;
  const perToken = [
    task === undefined || task === "classification" ? undefined : task === "token-classification",
    dataset === undefined ? undefined : dataset === "InMemoryPerTokenValueDataset",
    config === undefined ? undefined : config === "ESM2FineTuneTokenConfig",
  ].filter((said) => said !== undefined);
  const isPerToken = perToken[0] ?? false;
  if (perToken.some((said) => said !== isPerToken)) {
    throw new InvalidArgumentError(
      "task-type",
      task,
      "--task-type, --dataset-class and --config-class say both one label a protein and one a residue",
      { suggestions: ["leave out the last two: --task-type token-classification"] },
    );
  }
  return isPerToken ? "token-classification" : (task ?? "regression");
}
