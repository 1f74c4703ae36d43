import { describe, expect, test } from "vitest";
import {
  Esm2,
  esm2Config,
  Geneformer,
  geneformerConfig,
  initialParameter,
  type MaskedBatch,
  type TokenBatch,
  type TrainableModel,
} from "../../../src/models/index.ts";
import { packBatch } from "../../../src/tokenize/pack-batch.ts";
import { relativeError, rowsOf, runModel } from "../models/model-fixture.ts";
import { NO_WEBGPU, TITLE } from "./webgpu.fixture.ts";

const SIZE = { layers: 1, hiddenSize: 16, heads: 2, intermediateSize: 32 };

/** Two rows of 12 tokens, the second with padding at its end. */
function batchOf(tokens: number): TokenBatch {
  const at = Array.from({ length: 24 }, (_, i) => i);
  return {
    text: Int32Array.from(at, (i) => 4 + ((i * 7919) % (tokens - 4))),
    labels: Int32Array.from(at, (i) => (i % 3 === 0 ? 4 + ((i * 31) % (tokens - 4)) : -100)),
    lossMask: Uint8Array.from(at, (i) => (i % 3 === 0 && i < 20 ? 1 : 0)),
    attentionMask: Uint8Array.from(at, (i) => (i < 20 ? 1 : 0)),
    shape: [2, 12],
  };
}

const MODELS: readonly (readonly [string, TrainableModel<MaskedBatch>, TokenBatch])[] = [
  ["ESM-2", new Esm2(esm2Config(SIZE)), batchOf(24)],
  // More rows and classes than are looked up by a product.
  [
    "Geneformer",
    new Geneformer(geneformerConfig({ ...SIZE, vocabSize: 700, maxPositions: 16 })),
    batchOf(700),
  ],
];

describe.skipIf(NO_WEBGPU)(TITLE, () => {
  describe.each(MODELS)("%s", (_, model, padded) => {
    const weights = new Map(
      model.parameters.map((spec) => [spec.name, initialParameter(spec, 1)] as const),
    );
    const packed = packBatch(rowsOf(padded));

    test.each([
      ["train", "padded", padded],
      ["train", "packed", packed],
      ["validate", "padded", padded],
      ["predict", "padded", padded],
    ] as const)("%s, %s rows, as on the processor", async (mode, _, batch) => {
      const run = { seed: 3, step: 1, microBatch: 0 };
      const expected = await runModel(model, weights, batch, mode, { executor: "onnx", run });
      const on = { executor: "onnx", device: "webgpu", run };
      const found = await runModel(model, weights, batch, mode, on);
      expect(Object.keys(found.outputs)).toEqual(Object.keys(expected.outputs));
      for (const [name, values] of Object.entries(expected.outputs)) {
        const error = relativeError(found.outputs[name], values);
        expect([name, error]).toEqual([name, expect.toBeBelow(2e-5)]);
      }
      expect(found.gradients.size).toBe(expected.gradients.size);
      for (const [name, values] of expected.gradients) {
        const error = relativeError(found.gradients.get(name), values);
        expect([name, error]).toEqual([name, expect.toBeBelow(2e-5)]);
      }
    });
  });
});
