import { integer, string } from "@oclif/core/flags";
import type { InferredEsm2 } from "../../../src/infer/infer-esm2.ts";
import { BaseCommand } from "../../base-command.ts";
import { INFER_ESM2_KEYS, inferFlags, inferOptions } from "../../infer-flags.ts";
import { wroteText } from "../../infer-text.ts";
import { PreparationLines } from "../../preparation.ts";
import { ProgressLine } from "../../progress.ts";

export default class InferEsm2 extends BaseCommand {
  static override summary =
    "Embeddings, hidden states, logits and predictions of proteins by an ESM-2.";
  static override description =
    "Writes predictions and ids.txt in the order of the input; proteins of like length run together. " +
    "Flags have the names of BioNeMo's infer_esm2; token_logits and hidden_states are [protein, token, " +
    "...] here. Without an --include flag there is what a fine-tuned head gives out, or embeddings.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --checkpoint-path results/esm2/checkpoints --data-path proteins.fasta --results-path embeddings",
    "<%= config.bin %> <%= command.id %> --checkpoint-path results/esm2-finetune --data-path proteins.csv --results-path out --format parquet",
  ];

  static override flags = {
    "data-path": string({
      multiple: true,
      aliases: ["data"],
      summary:
        "Proteins, as train esm2 reads them: FASTA, CSV, TSV, JSON lines, parquet, an SQLite data base, " +
        "a folder of shards (*.tar) or of `proteins build --store`; several.",
    }),
    "max-seq-length": integer({ min: 1, default: 1024, summary: "Most tokens of a protein." }),
    ...inferFlags("Proteins"),
  };

  async run(): Promise<InferredEsm2> {
    const parsed = await this.parse(InferEsm2);
    const onWarning = (message: string) => this.warning(message);
    const keys = INFER_ESM2_KEYS;
    const options = await inferOptions("esm2-infer", parsed, { keys, onWarning });
    const { inferEsm2 } = await import("../../../src/infer/infer-esm2.ts");
    using lines = new PreparationLines("proteins", (line) => this.log(line));
    using progress = new ProgressLine();
    const result = await inferEsm2({
      ...options,
      overwrite: parsed.flags.overwrite,
      signal: this.signal,
      onPreparation: lines.update.bind(lines),
      onProgress: ({ done, total }) =>
        progress.update({ label: "running", done, total, unit: "proteins" }),
    });
    progress.clear();
    this.log(wroteText(result, result.proteins, "proteins"));
    return result;
  }
}
