import { boolean, integer, option, string } from "@oclif/core/flags";
import type { PreparationProgress } from "../../../src/train/gene-dictionaries.ts";
import type { GeneformerRunSize, TrainedGeneformer } from "../../../src/train/train-geneformer.ts";
import { number } from "../../number-flag.ts";
import { ProgressLine } from "../../progress.ts";
import { TrainCommand } from "../../train-command.ts";
import { DATA, given, MODEL, STEPS, trainFlags, trainOptions } from "../../train-flags.ts";

export default class TrainGeneformer extends TrainCommand {
  static override summary = "Train Geneformer on cells, on this machine's CPU.";
  static override description =
    "Flags have the names and defaults of BioNeMo's train_geneformer where nothing else is said; the " +
    "sizes, which it reads and forgets, count here. Ctrl-C ends after the step in progress and writes " +
    "a checkpoint; the same command with --resume-if-exists goes on, and the weights are those of a " +
    "run that never stopped.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --data cells.h5ad --valid-share 0.05 --medians auto --seq-length 512",
    "<%= config.bin %> <%= command.id %> --data-dir cells --seq-length 512 --num-steps 1000",
    "<%= config.bin %> <%= command.id %> --data-dir cells --medians medians.json --layout bert --lr 1e-3",
  ];

  static override flags = {
    data: string({
      ...DATA,
      multiple: true,
      summary:
        "Cells: SCDL data sets, h5ad files (converted into the run's folder), tokens of " +
        "`tokenize-cells`, shards, or folders of such.",
    }),
    "valid-data": string({ ...DATA, multiple: true, summary: "Validation cells, as --data." }),
    "valid-share": number({ ...DATA, summary: "Share of --data held out for validation." }),
    "data-dir": string({
      ...DATA,
      exclusive: ["data", "valid-data", "valid-share"],
      summary: "Folder of the data sets train and val, instead of --data and --valid-data.",
    }),
    matrix: string({ ...DATA, summary: "Of h5ad files: raw (default), X or layers/NAME." }),
    medians: string({
      ...DATA,
      summary:
        "Medians of genes: pickle, JSON or parquet; or auto, those of the training cells. Default: " +
        "medians.json in the training data or beside it. Tokens need none.",
    }),
    vocab: string({
      ...DATA,
      summary: "BioNeMo's geneformer.vocab. Default: that beside the medians, or made of them.",
    }),
    genes: string({
      ...DATA,
      summary: "Var column with Ensembl ids. Default feature_id, else ensembl_id, else the index.",
    }),
    "include-unrecognized-vocab-in-dataset": boolean({
      ...DATA,
      summary: "A gene without token is an error, not left out.",
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
    "cosine-rampup-frac": number({
      ...STEPS,
      default: 0.01,
      summary: "Share of the updates that warm up.",
    }),
    "cosine-hold-frac": number({
      ...STEPS,
      default: 0.05,
      summary: "Share of the updates, the last ones, at the least learning rate.",
    }),
    ...trainFlags({
      experimentName: "geneformer",
      numSteps: 10_000,
      lr: 1e-4,
      microBatchSize: 4,
      samples: "Cells",
    }),
  };

  async run(): Promise<TrainedGeneformer> {
    const { flags } = await this.parse(TrainGeneformer);
    const { trainGeneformer } = await import("../../../src/train/train-geneformer.ts");
    const size: GeneformerRunSize = given({
      layout: flags.layout,
      layers: flags["num-layers"],
      hiddenSize: flags["hidden-size"],
      heads: flags["num-attention-heads"],
      intermediateSize: flags["ffn-hidden-size"],
    });
    const options = {
      ...trainOptions(flags),
      ...given({
        data: flags.data,
        validData: flags["valid-data"],
        validShare: flags["valid-share"],
        dataDir: flags["data-dir"],
        matrix: flags.matrix,
        medians: flags.medians,
        vocab: flags.vocab,
        genes: flags.genes,
      }),
      ...(Object.keys(size).length === 0 ? {} : { model: size }),
      includeUnrecognizedVocabInDataset: flags["include-unrecognized-vocab-in-dataset"],
      seqLength: flags["seq-length"],
      cosineRampupFrac: flags["cosine-rampup-frac"],
      cosineHoldFrac: flags["cosine-hold-frac"],
    };
    using progress = new ProgressLine();
    const onPreparation = ({ label, done, total }: PreparationProgress) => {
      progress.update({ label, done, total, unit: "cells" });
      if (done === total) progress.clear();
    };
    return this.train(flags, (shared) => trainGeneformer({ ...options, ...shared, onPreparation }));
  }
}
