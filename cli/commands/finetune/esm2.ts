import { integer, option, string } from "@oclif/core/flags";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { FinetunedEsm2 } from "../../../src/train/runs/finetune-esm2.ts";
import { CONFIG_FLAGS } from "../../config-flags.ts";
import { FINE_TUNE_FLAGS, TOKEN_HEAD_FLAGS } from "../../fine-tune-flags.ts";
import { ORIGINAL_FINETUNE_FLAGS } from "../../original-train-flags.ts";
import { TrainCommand } from "../../train-command.ts";
import { configDefaults, DATA, scheduleFlags, trainFlags } from "../../train-flags.ts";
import { FINETUNE_ESM2_KEYS } from "../../train-keys.ts";

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
    "<%= config.bin %> <%= command.id %> --config run.yaml --set optim_config.lr=1e-3",
  ];

  static override flags = {
    "train-data-path": string({
      ...DATA,
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
    ...scheduleFlags("esm2-finetune"),
    ...FINE_TUNE_FLAGS,
    ...TOKEN_HEAD_FLAGS,
    ...CONFIG_FLAGS,
    ...trainFlags({ ...configDefaults("esm2-finetune"), samples: "Proteins" }),
    ...ORIGINAL_FINETUNE_FLAGS,
  };

  async run(): Promise<FinetunedEsm2> {
    const parsed = await this.parse(FinetuneEsm2);
    const { flags } = parsed;
    const saysTokens = originalWords(flags).includes(true);
    const task = flags["task-type"] ?? (saysTokens ? "token-classification" : undefined);
    const given = { ...parsed, flags: { ...flags, "task-type": task } };
    const config = await this.configOf("esm2-finetune", given, FINETUNE_ESM2_KEYS);
    assertSameTask(flags, config.data_config.task_type);
    const { runOptions } = await import("../../../src/train/config/run-options.ts");
    const { finetuneEsm2 } = await import("../../../src/train/runs/finetune-esm2.ts");
    const options = runOptions("esm2-finetune", config);
    const resumeIfExists = flags["resume-if-exists"];
    const onWarning = (message: string) => this.warning(message);
    return this.train(config, (shared) =>
      finetuneEsm2({ ...options, resumeIfExists, ...shared, onWarning }),
    );
  }
}

interface TaskFlags {
  readonly "dataset-class"?: string | undefined;
  readonly "config-class"?: string | undefined;
}

/** Whether the original's flags that are given say one label a residue. */
function originalWords(flags: TaskFlags): boolean[] {
  const { "dataset-class": dataset, "config-class": config } = flags;
  return [
    ...(dataset === undefined ? [] : [dataset === "InMemoryPerTokenValueDataset"]),
    ...(config === undefined ? [] : [config === "ESM2FineTuneTokenConfig"]),
  ];
}

/** @throws InvalidArgumentError where they differ from one another, or from the task */
function assertSameTask(flags: TaskFlags, task: string | null): void {
  const isPerToken = task === "token-classification";
  if (originalWords(flags).every((said) => said === isPerToken)) return;
  throw new InvalidArgumentError(
    "task-type",
    task,
    "--task-type, --dataset-class and --config-class say both one label a protein and one a residue",
    { suggestions: ["leave out the last two: --task-type token-classification"] },
  );
}
