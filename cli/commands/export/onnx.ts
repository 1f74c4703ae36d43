import { boolean, integer, string } from "@oclif/core/flags";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { ExportedOnnx, ExportOnnxOptions } from "../../../src/infer/export-onnx.ts";
import { BaseCommand } from "../../base-command.ts";
import { oneLine } from "../../error-text.ts";
import { outputName } from "../../output-name.ts";
import { formatBytes } from "../../progress.ts";

type Output = NonNullable<ExportOnnxOptions["outputs"]>[number];

export default class ExportOnnx extends BaseCommand {
  static override summary = "Write a model with its weights as an ONNX file.";
  static override description =
    "Inputs are input_ids (int32) and attention_mask (bool), both [--batch-size, --length]: the file is " +
    "for that size alone, and shorter rows are filled up with the pad token and mask false. Operators " +
    "are standard ones.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --checkpoint-path results/esm2 --output esm2.onnx --length 256 --outputs token_logits,embeddings",
  ];

  static override flags = {
    "checkpoint-path": string({
      required: true,
      summary: "A run's folder, a checkpoint, or a folder of transformers.",
    }),
    output: string({ char: "o", required: true, summary: "The file to write." }),
    outputs: string({
      summary:
        "Of embeddings, hidden_states, token_logits (or logits), predictions; several with commas. " +
        "Default: predictions of a fine-tuned model, logits of another.",
    }),
    "batch-size": integer({ min: 1, default: 1, summary: "Rows." }),
    length: integer({ min: 1, default: 128, summary: "Tokens of a row." }),
    overwrite: boolean({ summary: "Replace the file." }),
  };

  async run(): Promise<ExportedOnnx> {
    const { flags } = await this.parse(ExportOnnx);
    const { exportOnnx } = await import("../../../src/infer/export-onnx.ts");
    const { INFERENCE_OUTPUTS } = await import("../../../src/infer/inference-outputs.ts");
    const outputs = flags.outputs?.split(",").map((word): Output => {
      const name = word.trim() === "logits" ? "token_logits" : word.trim();
      const known = INFERENCE_OUTPUTS.find((output) => output === name);
      if (known !== undefined && known !== "input_ids") return known;
      throw new InvalidArgumentError("outputs", word, `--outputs: there is no output "${word}"`, {
        suggestions: [INFERENCE_OUTPUTS.filter((output) => output !== "input_ids").join(", ")],
      });
    });
    const result = exportOnnx({
      checkpointPath: flags["checkpoint-path"],
      output: outputName("output", flags.output),
      ...(outputs === undefined ? {} : { outputs }),
      batchSize: flags["batch-size"],
      length: flags.length,
      overwrite: flags.overwrite,
    });
    const inputs = Object.entries(result.inputs).map(([name, type]) => `${name} ${type}`);
    const shapes = Object.entries(result.outputs).map(([name, shape]) => `${name} [${shape}]`);
    this.log(`wrote ${oneLine(result.output)}: ${formatBytes(result.bytes)}`);
    this.log(`  in   ${inputs.join(", ")}`);
    this.log(`  out  ${shapes.join(", ")}`);
    return result;
  }
}
