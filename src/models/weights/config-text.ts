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
  const lines = membersOf(config).map((member) => `  ${member}`);
  return `{\n${lines.join(",\n")}\n}\n`;
}

/** Members with their values in one line; those of the network below a head have floats, too. */
function membersOf(config: object): readonly string[] {
  const members = Object.entries(config).filter(([, value]) => value !== undefined);
  return members.map(([name, value]: [string, unknown]) => {
    const isFloat = typeof value === "number" && FLOATS.has(name);
    const isMapping = typeof value === "object" && value !== null && !Array.isArray(value);
    const text = isMapping ? `{${membersOf(value).join()}}` : JSON.stringify(value);
    return `${JSON.stringify(name)}: ${isFloat ? pythonFloat(value) : text}`;
  });
}
