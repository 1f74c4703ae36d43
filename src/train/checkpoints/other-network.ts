import { IncompatibleError } from "../../../formats/common/errors.ts";

/** The error for weights of another network than the command runs. */
export function otherNetwork(
  path: string,
  expected: "an ESM-2" | "a Geneformer",
  found: string,
): IncompatibleError {
  const network = expected === "an ESM-2" ? "geneformer" : "esm2";
  const isKnown = found.startsWith(network);
  return new IncompatibleError("other-model", `${path}: expected ${expected}, found ${found}`, {
    suggestions: [
      ...(isKnown ? [`these weights are for scdl train, finetune and infer ${network}`] : []),
      `name weights of ${expected}`,
    ],
  });
}
