/** Where the cells are that Geneformer is trained or fine-tuned on. */
import { boolean, string } from "@oclif/core/flags";
import { number } from "./number-flag.ts";
import { DATA } from "./train-flags.ts";

export const CELL_FLAGS = {
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
  vocab: string({
    ...DATA,
    summary:
      "BioNeMo's geneformer.vocab. Default: that of the weights, or beside the medians, or made of them.",
  }),
  genes: string({
    ...DATA,
    summary: "Var column with Ensembl ids. Default feature_id, else ensembl_id, else the index.",
  }),
  "include-unrecognized-vocab-in-dataset": boolean({
    ...DATA,
    summary: "A gene without token is an error, not left out.",
  }),
};
