import { integer, option, string } from "@oclif/core/flags";
import type { TrainedGeneformer } from "../../../src/train/runs/train-geneformer.ts";
import { CELL_FLAGS } from "../../cell-flags.ts";
import { CONFIG_FLAGS } from "../../config-flags.ts";
import { ORIGINAL_GENEFORMER_FLAGS } from "../../original-train-flags.ts";
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
import { GENEFORMER_KEYS } from "../../train-keys.ts";

export default class TrainGeneformer extends TrainCommand {
  static override summary =
    "Train Geneformer on cells, on the CPU or on the device that --device names.";
  static override description =
    "Flags have the names and defaults of BioNeMo's train_geneformer where nothing else is said; the " +
    "sizes, which it reads and forgets, count here. Ctrl-C ends after the steps in progress and writes " +
    "a checkpoint; the same command with --resume-if-exists goes on, and the weights are those of a " +
    "run that never stopped.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --data cells.h5ad --valid-share 0.05 --medians auto --seq-length 512",
    "<%= config.bin %> <%= command.id %> --data-dir cells --seq-length 512 --num-steps 1000",
    "<%= config.bin %> <%= command.id %> --config run.yaml --set optim_config.lr=1e-3",
    "<%= config.bin %> <%= command.id %> --data-dir cells --medians medians.json --layout bert --lr 1e-3",
  ];

  static override flags = {
    ...CELL_FLAGS,
    medians: string({
      ...DATA,
      summary:
        "Medians of genes: pickle, JSON or parquet; or auto, those of the training cells. Default: " +
        "those of the weights to restore, else medians.json in the training data or beside it.",
    }),
    "seq-length": integer({ ...DATA, min: 2, default: 2048, summary: "Genes of a row." }),
    layout: option({
      ...MODEL,
      options: ["bionemo", "bert"] as const,
      summary: "Default bionemo; transformers loads weights of bert.",
    })(),
    "num-layers": integer({ ...MODEL, min: 1, summary: "Default 6." }),
    "hidden-size": integer({ ...MODEL, min: 1, summary: "Default 256." }),
    "num-attention-heads": integer({ ...MODEL, min: 1, summary: "Default 4." }),
    "ffn-hidden-size": integer({ ...MODEL, min: 1, summary: "Default 512." }),
    ...CONFIG_FLAGS,
    ...scheduleFlags("geneformer"),
    ...DROPOUT_FLAGS,
    ...trainFlags({ ...configDefaults("geneformer"), samples: "Cells" }),
    ...ORIGINAL_GENEFORMER_FLAGS,
  };

  async run(): Promise<TrainedGeneformer> {
    const parsed = await this.parse(TrainGeneformer);
    const config = await this.configOf("geneformer", parsed, GENEFORMER_KEYS);
    const { runOptions, sizesOf } = await import("../../../src/train/config/run-options.ts");
    const { trainGeneformer } = await import("../../../src/train/runs/train-geneformer.ts");
    const options = { ...runOptions("geneformer", config), model: sizesOf(config) };
    const resumeIfExists = parsed.flags["resume-if-exists"];
    using lines = new PreparationLines("cells", (line) => this.log(line));
    const onPreparation = lines.update.bind(lines);
    const onWarning = (message: string) => this.warning(message);
    return await this.train(config, (shared) =>
      trainGeneformer({ ...options, resumeIfExists, ...shared, onPreparation, onWarning }),
    );
  }
}
