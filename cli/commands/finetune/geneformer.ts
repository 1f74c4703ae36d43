import { boolean, integer, option, string } from "@oclif/core/flags";
import type {
  FinetunedGeneformer,
  FinetuneGeneformerOptions,
} from "../../../src/train/finetune-geneformer.ts";
import { FINE_TUNE_FLAGS, headOptions } from "../../fine-tune-flags.ts";
import { TrainCommand } from "../../train-command.ts";
import { DATA, given, trainFlags, trainOptions } from "../../train-flags.ts";

export default class FinetuneGeneformer extends TrainCommand {
  static override summary = "Fine-tune Geneformer on cells with a value or a class each.";
  static override description =
    "The labels are a column of obs: classes where it is text, numbers to predict otherwise. Checkpoints " +
    "hold network, head, the names of the classes, medians and vocabulary; scdl infer geneformer takes " +
    "them.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --restore-from-checkpoint-path results/geneformer --data-dir cells --label cell_type --num-steps 500",
  ];

  static override flags = {
    "data-dir": string({
      ...DATA,
      required: true,
      summary: "Folder of the SCDL data sets train and, for validation, val.",
    }),
    label: string({ ...DATA, required: true, summary: "Column of obs, e.g. cell_type." }),
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
    ...trainFlags({
      experimentName: "geneformer-finetune",
      numSteps: 10_000,
      lr: 1e-4,
      microBatchSize: 4,
      samples: "Cells",
      valCheckInterval: 20,
      limitValBatches: 1000,
    }),
  };

  async run(): Promise<FinetunedGeneformer> {
    const { flags } = await this.parse(FinetuneGeneformer);
    const { finetuneGeneformer } = await import("../../../src/train/finetune-geneformer.ts");
    const options: FinetuneGeneformerOptions = {
      ...trainOptions(flags),
      ...headOptions(flags),
      ...given({
        taskType: flags["task-type"],
        medians: flags.medians,
        vocab: flags.vocab,
        genes: flags.genes,
      }),
      dataDir: flags["data-dir"],
      label: flags.label,
      includeUnrecognizedVocabInDataset: flags["include-unrecognized-vocab-in-dataset"],
      seqLength: flags["seq-length"],
    };
    return this.train(flags, (shared) => finetuneGeneformer({ ...options, ...shared }));
  }
}
