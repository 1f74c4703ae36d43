import { describe, expect, test } from "vitest";
import {
  Geneformer,
  type GeneformerConfig,
  geneformerConfig,
  geneformerFromJson,
  parameterCount,
  readModelConfig,
} from "../../../src/models/index.ts";
import { packBatch } from "../../../src/tokenize/pack-batch.ts";
import {
  fixture,
  masked,
  readTensors,
  relativeError,
  rowsOf,
  runModel,
  weightsFor,
} from "./model-fixture.ts";

const MEGATRON: GeneformerConfig = geneformerConfig({
  layers: 2,
  hiddenSize: 16,
  heads: 4,
  intermediateSize: 24,
  vocabSize: 48,
  maxPositions: 18,
});

describe.each([
  [
    "the authors' layout and transformers",
    "bert",
    geneformerFromJson(readModelConfig(fixture("bert/config.json")), "c"),
  ],
  ["BioNeMo's layout and Megatron", "megatron", MEGATRON],
])("%s", (_, folder, settings) => {
  const model = new Geneformer(settings);
  const still = new Geneformer({ ...settings, hiddenDropout: 0, attentionDropout: 0 });
  const weights = weightsFor(model, folder === "bert" ? folder : "megatron/weights.safetensors");
  const expected = readTensors(`${folder}/expected.safetensors`);
  const batch = masked(expected, [3, 13]);

  test("logits, hidden states and mean embeddings are equal", async () => {
    const { outputs } = await runModel(model, weights, batch, "predict");
    expect(Object.keys(outputs)).toHaveLength(3);
    for (const [name, values] of Object.entries(outputs)) {
      const width = values.length / batch.text.length;
      // Megatron's values of padding differ: it lets padding see nothing.
      const shown =
        folder === "bert" || name === "embeddings"
          ? values
          : Float32Array.from(
              values,
              (value, i) => value * (batch.attentionMask[Math.floor(i / width)] ?? 0),
            );
      const error = relativeError(shown, expected.get(name));
      expect([name, error]).toEqual([name, expect.toBeBelow(1e-6)]);
    }
  });

  test("loss and gradients are equal, for padded and for packed rows", async () => {
    const wanted = [...expected.keys()].filter((name) => name.startsWith("gradient."));
    for (const given of [batch, packBatch(rowsOf(batch), { padToMultipleOf: 8 })]) {
      const { loss, gradients } = await runModel(still, weights, given, "train");
      expect(relativeError([loss ?? 0], expected.get("loss"))).toBeLessThan(1e-6);
      expect(gradients.size).toBe(wanted.length);
      for (const [name, gradient] of gradients) {
        // The gradient of a key's bias is 0 in exact numbers, so errors are seen beside 1.
        const [a, b] = [gradient, expected.get(`gradient.${name}`) ?? []];
        const error = relativeError([...a, 1], [...b, 1]);
        expect([name, error]).toEqual([name, expect.toBeBelow(2e-6)]);
      }
    }
  });

  test("dropout depends on step and micro-batch alone, and only training has it", async () => {
    const run = async (step: number, microBatch = 0) =>
      (await runModel(model, weights, batch, "train", { run: { seed: 3, step, microBatch } })).loss;
    const first = await run(0);
    expect(await run(0)).toBe(first);
    expect(await run(1)).not.toBe(first);
    expect(await run(0, 1)).not.toBe(first);
    const { loss } = await runModel(model, weights, batch, "validate");
    expect(relativeError([loss ?? 0], expected.get("loss"))).toBeLessThan(1e-6);
  });

  test("a sequence longer than the positions is refused, packed or not", () => {
    const long = { ...batch, shape: [1, 39] as const };
    expect(() => model.sizeOf(long)).toThrow("39 tokens in the batch: the model has 18 positions");
    const item = { text: batch.text, labels: batch.labels, lossMask: batch.lossMask };
    expect(() => model.sizeOf(packBatch([item]))).toThrow("39 tokens");
  });

  test("the configuration goes through config.json and back", () => {
    const through = JSON.parse(JSON.stringify(model.config)) as typeof model.config;
    expect(new Geneformer(geneformerFromJson(through, "config.json")).settings).toEqual(settings);
    const given = (change: object) => () => geneformerFromJson({ ...through, ...change }, "c.json");
    expect(given({ model_type: "esm" })).toThrow("c.json: expected model_type bert or");
    expect(given({ hidden_size: -1 })).toThrow("c.json: hidden_size: expected a whole number");
    expect(given({ hidden_act: "silu", activation_func: "silu" })).toThrow("the activation silu");
  });
});

test("published sizes have the published parameters", () => {
  const count = (size: ConstructorParameters<typeof Geneformer>[0]) =>
    parameterCount(new Geneformer(size).parameters);
  expect(count("10M")).toBe(10_300_032);
  expect(count("106M")).toBe(106_808_960);
  expect(count("V2-104M") / 1e6).toBeCloseTo(104, 0);
  expect(count("V2-316M") / 1e6).toBeCloseTo(316, 0);
  expect(() => new Geneformer("1B" as "10M")).toThrow("there is no Geneformer of size 1B");
});

test("initial matrices before a sum are smaller in BioNeMo's layout", () => {
  const std = (name: string) => {
    const init = new Geneformer("10M").parameters.find((spec) => spec.name === name)?.init;
    return init?.kind === "normal" ? init.std : undefined;
  };
  expect(std("encoder.layers.0.mlp.linear_fc1.weight")).toBe(0.02);
  expect(std("encoder.layers.0.mlp.linear_fc2.weight")).toBeCloseTo(0.02 / Math.sqrt(12), 12);
});
