import { expect, test } from "vitest";
import { initialParameter, loadWeights, openBackbone } from "../../../src/models/index.ts";
import { runModel } from "./model-fixture.ts";

/** A folder with facebook/esm2_t6_8M_UR50D: config.json and model.safetensors. */
const FOLDER = process.env["SCDL_ESM2_8M"];

/** The first three rows of three values, as transformers' own tests have them. */
async function corner(ids: readonly number[], output: string): Promise<number[][]> {
  const model = openBackbone(FOLDER ?? "");
  const { values } = loadWeights(model, FOLDER ?? "", (spec) => initialParameter(spec, 0));
  const batch = {
    text: Int32Array.from(ids),
    labels: new Int32Array(ids.length),
    lossMask: new Uint8Array(ids.length),
    attentionMask: new Uint8Array(ids.length).fill(1),
    shape: [1, ids.length] as const,
  };
  const { outputs } = await runModel(model, values, batch, "predict");
  const found = outputs[output] ?? [];
  const width = found.length / ids.length;
  return [0, 1, 2].map((row) => [0, 1, 2].map((at) => found[row * width + at] ?? Number.NaN));
}

function expectClose(found: readonly number[][], wanted: readonly number[][]): void {
  const differences = wanted.flatMap((row, i) =>
    row.map((value, j) => Math.abs(value - (found[i]?.[j] ?? Number.NaN))),
  );
  expect(Math.max(...differences)).toBeLessThan(1e-4);
}

test.skipIf(FOLDER === undefined)("the published ESM-2 8M has its published logits", async () => {
  expectClose(await corner([0, 1, 2, 3, 4, 5], "logits"), [
    [8.9215, -10.5898, -6.4671],
    [-6.3967, -13.9114, -1.1212],
    [-7.7812, -13.9516, -3.7406],
  ]);
});

test.skipIf(FOLDER === undefined)("the published ESM-2 8M has its published states", async () => {
  expectClose(await corner([0, 6, 4, 13, 5, 4, 16, 12, 11, 7, 2], "hidden_states"), [
    [0.1444, 0.5413, 0.3248],
    [0.3034, 0.0053, 0.3108],
    [0.3228, -0.2499, 0.3415],
  ]);
});
