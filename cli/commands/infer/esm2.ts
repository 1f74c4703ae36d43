import { boolean, integer, string } from "@oclif/core/flags";
import type { Esm2Output, InferredEsm2 } from "../../../src/infer/infer-esm2.ts";
import { BaseCommand } from "../../base-command.ts";
import { oneLine } from "../../error-text.ts";
import { outputName } from "../../output-name.ts";
import { formatCount, ProgressLine } from "../../progress.ts";

export default class InferEsm2 extends BaseCommand {
  static override summary = "Embeddings, hidden states and logits of proteins by an ESM-2.";
  static override description =
    "Writes predictions.safetensors and ids.txt in the order of the input; proteins of like length run " +
    "together. Flags have the names of BioNeMo's infer_esm2; token_logits and hidden_states are " +
    "[protein, token, ...] here. Without an --include flag there are embeddings.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --checkpoint-path results/esm2/checkpoints --data-path proteins.fasta --results-path embeddings",
  ];

  static override flags = {
    "checkpoint-path": string({
      required: true,
      summary: "A checkpoint, a folder of them, or a folder of transformers.",
    }),
    "data-path": string({
      required: true,
      summary: "Proteins: a store, FASTA, an SQLite data base, parquet.",
    }),
    "results-path": string({ required: true, summary: "The folder to write." }),
    "include-embeddings": boolean({ summary: "The mean of hidden states over residues." }),
    "include-hiddens": boolean({ summary: "Hidden states of every token." }),
    "include-logits": boolean({ summary: "Logits of every token." }),
    "include-input-ids": boolean({ summary: "The tokens." }),
    "micro-batch-size": integer({ min: 1, default: 8, summary: "Proteins run at a time." }),
    "max-seq-length": integer({ min: 1, default: 1024, summary: "Most tokens of a protein." }),
    threads: integer({ min: 1, summary: "Default: what the machine offers." }),
    overwrite: boolean({ summary: "Replace results that are there." }),
  };

  async run(): Promise<InferredEsm2> {
    const { flags } = await this.parse(InferEsm2);
    const { inferEsm2 } = await import("../../../src/infer/infer-esm2.ts");
    const chosen: Esm2Output[] = [];
    if (flags["include-embeddings"]) chosen.push("embeddings");
    if (flags["include-hiddens"]) chosen.push("hidden_states");
    if (flags["include-logits"]) chosen.push("token_logits");
    if (flags["include-input-ids"]) chosen.push("input_ids");
    using progress = new ProgressLine();
    const result = await inferEsm2({
      checkpointPath: flags["checkpoint-path"],
      dataPath: flags["data-path"],
      resultsPath: outputName("results-path", flags["results-path"]),
      outputs: chosen.length === 0 ? ["embeddings"] : chosen,
      microBatchSize: flags["micro-batch-size"],
      maxSeqLength: flags["max-seq-length"],
      ...(flags.threads === undefined ? {} : { threads: flags.threads }),
      overwrite: flags.overwrite,
      signal: this.signal,
      onProgress: ({ done, total }) =>
        progress.update({ label: "running", done, total, unit: "proteins" }),
    });
    progress.clear();
    const shapes = Object.entries(result.shapes).map(([name, shape]) => `${name} [${shape}]`);
    this.log(
      `wrote ${oneLine(result.path)}: ${formatCount(result.proteins)} proteins, ${shapes.join(", ")}`,
    );
    return result;
  }
}
