import { boolean, integer, string } from "@oclif/core/flags";
import type { InferredGeneformer } from "../../../src/infer/infer-geneformer.ts";
import { BaseCommand } from "../../base-command.ts";
import { INFER_GENEFORMER_KEYS, inferFlags, inferOptions } from "../../infer-flags.ts";
import { wroteText } from "../../infer-text.ts";
import { PreparationLines } from "../../preparation.ts";
import { ProgressLine } from "../../progress.ts";

export default class InferGeneformer extends BaseCommand {
  static override summary =
    "Embeddings, hidden states, logits and predictions of cells by a Geneformer.";
  static override description =
    "Writes predictions and ids.txt in the order of the cells, unmasked; cells of like length run " +
    "together. Flags have the names of BioNeMo's infer_geneformer. Medians and vocabulary are those in " +
    "the checkpoint. Without an --include flag there is what a fine-tuned head gives out, or embeddings.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --checkpoint-path results/geneformer --data-dir cells/test --results-path embeddings",
  ];

  static override flags = {
    "data-dir": string({
      multiple: true,
      aliases: ["data", "data-path"],
      summary:
        "Cells, as train geneformer reads them: SCDL data sets, h5ad files (converted while it runs), " +
        "tokens of `tokenize-cells`, shards, or folders of such; several.",
    }),
    matrix: string({ summary: "Of h5ad files: raw (default), X or layers/NAME." }),
    medians: string({
      summary: "Medians of genes. Default: those in the checkpoint, or the data.",
    }),
    vocab: string({
      summary: "geneformer.vocab. Default: that of the checkpoint, or beside the medians.",
    }),
    genes: string({ summary: "Var column with Ensembl ids. Default: as in train." }),
    "include-unrecognized-vocab-in-dataset": boolean({
      summary: "A gene without token is an error, not left out.",
    }),
    "seq-length": integer({ min: 2, default: 2048, summary: "Most genes of a cell." }),
    ...inferFlags("Cells"),
  };

  async run(): Promise<InferredGeneformer> {
    const parsed = await this.parse(InferGeneformer);
    const onWarning = (message: string) => this.warning(message);
    const keys = INFER_GENEFORMER_KEYS;
    const options = await inferOptions("geneformer-infer", parsed, { keys, onWarning });
    const { inferGeneformer } = await import("../../../src/infer/infer-geneformer.ts");
    using lines = new PreparationLines("cells", (line) => this.log(line));
    using progress = new ProgressLine();
    const result = await inferGeneformer({
      ...options,
      overwrite: parsed.flags.overwrite,
      onWarning,
      signal: this.signal,
      onPreparation: lines.update.bind(lines),
      onProgress: ({ done, total }) =>
        progress.update({ label: "running", done, total, unit: "cells" }),
    });
    progress.clear();
    this.log(wroteText(result, result.cells, "cells"));
    return result;
  }
}
