import { pythonFloat } from "../../../formats/common/python-json.ts";

export const CONFIG_FILE = "config.json";

/** Fields that transformers takes as floats only: 0 is refused, 0.0 is not. */
const FLOATS = new Set([
  "attention_probs_dropout_prob",
  "hidden_dropout_prob",
  "initializer_range",
  "layer_norm_eps",
  "rope_theta",
]);

/** The text of a `config.json`, as transformers reads it: one member a line. */
export function modelConfigText(config: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(config).map(([name, value]) => {
    const isFloat = typeof value === "number" && FLOATS.has(name);
    return `  ${JSON.stringify(name)}: ${isFloat ? pythonFloat(value) : JSON.stringify(value)}`;
  });
  return `{\n${lines.join(",\n")}\n}\n`;
}
