import { integer, option, string } from "@oclif/core/flags";
import type { FinetunedGeneformer } from "../../../src/train/runs/finetune-geneformer.ts";
import { CELL_FLAGS } from "../../cell-flags.ts";
import { CONFIG_FLAGS } from "../../config-flags.ts";
import { FINE_TUNE_FLAGS } from "../../fine-tune-flags.ts";
import { ORIGINAL_FINETUNE_FLAGS } from "../../original-train-flags.ts";
import { PreparationLines } from "../../preparation.ts";
import { TrainCommand } from "../../train-command.ts";
import { configDefaults, DATA, scheduleFlags, trainFlags } from "../../train-flags.ts";
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
    ...CELL_FLAGS,
    label: string({
      ...DATA,
      aliases: ["label-column"],
      summary: "Column of obs, e.g. cell_type.",
    }),
    "task-type": option({
      ...DATA,
      options: ["regression", "classification"] as const,
      summary: "Default: classification for text, regression for numbers.",
    })(),
    medians: string({
      ...DATA,
      summary: "Medians of genes. Default: those of the weights, or of the training cells.",
    }),
    "seq-length": integer({ ...DATA, min: 2, default: 2048, summary: "Most genes of a cell." }),
    ...scheduleFlags("geneformer-finetune"),
    ...FINE_TUNE_FLAGS,
    ...CONFIG_FLAGS,
    ...trainFlags({ ...configDefaults("geneformer-finetune"), samples: "Cells" }),
    ...ORIGINAL_FINETUNE_FLAGS,
  };

  async run(): Promise<FinetunedGeneformer> {
    const parsed = await this.parse(FinetuneGeneformer);
    const config = await this.configOf("geneformer-finetune", parsed, FINETUNE_GENEFORMER_KEYS);
    const { runOptions } = await import("../../../src/train/config/run-options.ts");
    const { finetuneGeneformer } = await import("../../../src/train/runs/finetune-geneformer.ts");
    const options = runOptions("geneformer-finetune", config);
    const resumeIfExists = parsed.flags["resume-if-exists"];
    using lines = new PreparationLines("cells", (line) => this.log(line));
    const onPreparation = lines.update.bind(lines);
    const onWarning = (message: string) => this.warning(message);
    return await this.train(config, (shared) =>
      finetuneGeneformer({ ...options, resumeIfExists, ...shared, onPreparation, onWarning }),
    );
  }
}
