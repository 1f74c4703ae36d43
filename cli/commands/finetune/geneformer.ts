import { boolean, integer, option, string } from "@oclif/core/flags";
import type { FinetunedGeneformer } from "../../../src/train/finetune-geneformer.ts";
import { CONFIG_FLAGS } from "../../config-flags.ts";
import { FINE_TUNE_FLAGS } from "../../fine-tune-flags.ts";
import { ORIGINAL_FINETUNE_FLAGS } from "../../original-train-flags.ts";
import { TrainCommand } from "../../train-command.ts";
import { configDefaults, DATA, trainFlags } from "../../train-flags.ts";
import { FINETUNE_GENEFORMER_KEYS } from "../../train-keys.ts";

export default class FinetuneGeneformer extends TrainCommand {
  static override summary = "Fine-tune Geneformer on cells with a value or a class each.";
  static override description =
    "The labels are a column of obs: classes where it is text, numbers to predict otherwise. Checkpoints " +
    "hold network, head, the names of the classes, medians and vocabulary; scdl infer geneformer takes " +
    "them.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --restore-from-checkpoint-path results/geneformer --data-dir cells --label cell_type --num-steps 500",
    "<%= config.bin %> <%= command.id %> --config run.yaml --set optim_config.lr=1e-3",
  ];

  static override flags = {
    "data-dir": string({
      ...DATA,
      summary: "Folder of the SCDL data sets train and, for validation, val.",
    }),
    label: string({ ...DATA, summary: "Column of obs, e.g. cell_type." }),
    "task-type": option({
      ...DATA,
      options: ["regression", "classification"] as const,
      summary: "Default: classification for text, regression for numbers.",
    })(),
    medians: string({
      ...DATA,
      summary: "Medians of genes. Default: those of the weights, or train.",
    }),
    vocab: string({ ...DATA, summary: "geneformer.vocab. Default: that beside the medians." }),
    genes: string({ ...DATA, summary: "Var column with Ensembl ids. Default feature_id." }),
    "include-unrecognized-vocab-in-dataset": boolean({
      ...DATA,
      summary: "A gene without token is an error, not left out.",
    }),
    "seq-length": integer({ ...DATA, min: 2, default: 2048, summary: "Most genes of a cell." }),
    ...FINE_TUNE_FLAGS,
    ...CONFIG_FLAGS,
    ...trainFlags({ ...configDefaults("geneformer-finetune"), samples: "Cells" }),
    ...ORIGINAL_FINETUNE_FLAGS,
  };

  async run(): Promise<FinetunedGeneformer> {
    const parsed = await this.parse(FinetuneGeneformer);
    const config = await this.configOf("geneformer-finetune", parsed, FINETUNE_GENEFORMER_KEYS);
    const { runOptions } = await import("../../../src/train/config/run-options.ts");
    const { finetuneGeneformer } = await import("../../../src/train/finetune-geneformer.ts");
    const options = runOptions("geneformer-finetune", config);
    const resumeIfExists = parsed.flags["resume-if-exists"];
    return this.train(config, (shared) =>
      finetuneGeneformer({ ...options, resumeIfExists, ...shared }),
    );
  }
}
