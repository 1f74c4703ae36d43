import { InvalidArgumentError } from "../../formats/common/errors.ts";

/** What is computed of a row, in the original's names; `predictions` is what a head gives out. */
export const INFERENCE_OUTPUTS = [
  "embeddings",
  "hidden_states",
  "token_logits",
  "input_ids",
  "predictions",
  "regression_output",
  "classification_output",
] as const;
export type InferenceOutput = (typeof INFERENCE_OUTPUTS)[number];

/**
 * The outputs asked for, by default what a model is for: the output of its head, or embeddings.
 * @throws InvalidArgumentError for predictions of a model without a head
 */
export function outputsOf(
  model: { readonly name: string; readonly config: Readonly<Record<string, unknown>> },
  asked: readonly InferenceOutput[] | undefined,
): readonly string[] {
  const head = headOutput(model.config);
  const outputs = (asked ?? [head === null ? "embeddings" : "predictions"]).map((name) => {
    if (name !== "predictions") return name;
    if (head !== null) return head;
    const message = `${model.name} has no head: it predicts tokens alone`;
    throw new InvalidArgumentError("outputs", name, message, {
      suggestions: ["fine-tune it first: scdl finetune", "or ask for embeddings or token_logits"],
    });
  });
  return [...new Set(outputs)];
}

function headOutput(config: Readonly<Record<string, unknown>>): string | null {
  if (config["model_type"] === "scdl-token") return "classification_output";
  if (config["model_type"] !== "scdl-sequence") return null;
  return config["task"] === "regression" ? "regression_output" : "classification_output";
}
