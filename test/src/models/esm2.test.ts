import { expect, test } from "vitest";
import {
  Esm2,
  esm2FromHuggingFace,
  parameterCount,
  readModelConfig,
  type TokenBatch,
} from "../../../src/models/index.ts";
import { countLossPositions, lossPositionsFor } from "../../../src/models/token-batch.ts";
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

const json = readModelConfig(fixture("esm2/config.json"));
const model = new Esm2(esm2FromHuggingFace(json, "config.json"));
const weights = weightsFor(model, "esm2");
const expected = readTensors("esm2/expected.safetensors");
const batch = masked(expected, [4, 14]);

test("logits, hidden states and mean embeddings are those of transformers", async () => {
  const { outputs } = await runModel(model, weights, batch, "predict");
  expect(new Set(Object.keys(outputs))).toEqual(new Set(["logits", "hidden_states", "embeddings"]));
  for (const [name, values] of Object.entries(outputs)) {
    expect([name, relativeError(values, expected.get(name))]).toEqual([
      name,
      expect.toBeBelow(1e-6),
    ]);
  }
});

test("loss and gradients are those of transformers", async () => {
  const { loss, gradients } = await runModel(model, weights, batch, "train");
  expect(relativeError([loss ?? 0], expected.get("loss"))).toBeLessThan(1e-6);
  const wanted = [...expected.keys()].filter((name) => name.startsWith("gradient."));
  expect(gradients.size).toBe(wanted.length);
  for (const [name, gradient] of gradients) {
    const error = relativeError(gradient, expected.get(`gradient.${name}`));
    expect([name, error]).toEqual([name, expect.toBeBelow(2e-6)]);
  }
});

test("the head at loss positions alone gives the loss of the head at all positions", async () => {
  const size = model.sizeOf(batch);
  expect(size).toEqual({ batch: 4, length: 14, lossPositions: 16, packed: false });
  const some = await runModel(model, weights, batch, "validate");
  const all = await runModel(model, weights, batch, "validate", { size: { batch: 4, length: 14 } });
  expect(all.loss).toBeCloseTo(some.loss ?? Number.NaN, 4);
  expect(all.outputs["correct"]).toEqual(some.outputs["correct"]);
  const right = [...(expected.get("labels") ?? [])].filter((label, at) => {
    const row = [...(expected.get("logits") ?? [])].slice(33 * at, 33 * at + 33);
    return label === row.indexOf(Math.max(...row));
  });
  expect(some.outputs["correct"]?.[0]).toBe(right.length);
  const sums = { loss: 7 * Math.log(5), correct: 2 };
  const metrics = model.reduce(sums, model.lossCount(batch));
  expect(metrics["loss"]).toBeCloseTo(Math.log(5), 12);
  expect(metrics["perplexity"]).toBeCloseTo(5, 12);
  expect(metrics["accuracy"]).toBeCloseTo(2 / 7, 12);
});

test.each([[{}], [{ padToMultipleOf: 16 }], [{ padSequencesToMultipleOf: 8 }]])(
  "sequences packed into one row have the loss and gradients of padded rows %o",
  async (padding) => {
    const packed = packBatch(rowsOf(batch), padding);
    const one = await runModel(model, weights, packed, "train");
    expect(relativeError([one.loss ?? 0], expected.get("loss"))).toBeLessThan(1e-6);
    for (const [name, gradient] of one.gradients) {
      const error = relativeError(gradient, expected.get(`gradient.${name}`));
      expect([name, error]).toEqual([name, expect.toBeBelow(2e-6)]);
    }
  },
);

test("a row of padding alone changes nothing and is no NaN", async () => {
  const [rows, length] = batch.shape;
  const longer = <A extends Int32Array | Uint8Array>(array: A, fill: number): A => {
    // The constructor of an array makes arrays of its type.
    const result = new (array.constructor as new (size: number) => A)((rows + 1) * length);
    result.fill(fill);
    result.set(array);
    return result;
  };
  const padded: TokenBatch = {
    text: longer(batch.text, 1),
    labels: longer(batch.labels, -100),
    attentionMask: longer(batch.attentionMask, 0),
    lossMask: longer(batch.lossMask, 0),
    shape: [rows + 1, length],
  };
  const { loss, gradients } = await runModel(model, weights, padded, "train");
  expect(relativeError([loss ?? 0], expected.get("loss"))).toBeLessThan(1e-6);
  const name = "esm.encoder.layer.0.attention.self.query.weight";
  expect(relativeError(gradients.get(name), expected.get(`gradient.${name}`))).toBeLessThan(2e-6);
});

test("room for loss positions: enough, never more than tokens, few steps", () => {
  for (const tokens of [1, 15, 16, 56, 1024, 8192]) {
    const rooms = new Set<number>();
    for (let count = 0; count <= tokens; count++) {
      const room = lossPositionsFor(count, tokens);
      expect(room).toBeGreaterThanOrEqual(Math.max(count, 1));
      expect(room).toBeLessThanOrEqual(tokens);
      rooms.add(room);
    }
    expect(rooms.size).toBeLessThan(40);
  }
  expect(lossPositionsFor(154, 1024)).toBe(176);
  expect(lossPositionsFor(1229, 8192)).toBe(1376);
  expect(countLossPositions(batch)).toBe(7);
});

test("a program smaller than its batch is refused", () => {
  const size = { ...model.sizeOf(batch), lossPositions: 6 };
  expect(() => model.inputs(batch, size, "train")).toThrow("7 loss positions");
});

test("published sizes have the published parameters", () => {
  // BioNeMo's counts are of a vocabulary padded to 128 rows.
  const count = (options: ConstructorParameters<typeof Esm2>[0]) =>
    parameterCount(new Esm2(options).parameters);
  const padded = (layers: number, hiddenSize: number, heads: number) =>
    count({ layers, hiddenSize, heads, vocabSize: 128 });
  expect(padded(6, 320, 20)).toBe(7_542_848);
  expect(padded(33, 1280, 20)).toBe(651_164_288);
  expect(padded(36, 2560, 40)).toBe(2_839_247_488);
  expect(count("8M")).toBe(7_542_848 - 95 * 321);
});

test("sizes that cannot be are refused by name", () => {
  const own = (options: object) => () =>
    new Esm2({ layers: 2, hiddenSize: 8, heads: 2, ...options });
  expect(() => new Esm2("9M" as "8M")).toThrow("there is no ESM-2 of size 9M");
  expect(own({ heads: 3 })).toThrow("not a multiple of the number of heads (3)");
  expect(own({ layers: 0 })).toThrow("layers is 0");
  expect(own({ intermediateSize: 2.5 })).toThrow("intermediateSize is 2.5");
});

test("config.json goes through Hugging Face's form and back", () => {
  expect(new Esm2(esm2FromHuggingFace(model.config, "x")).settings).toEqual(model.settings);
  for (const [name, value] of Object.entries(model.config)) {
    if (["hidden_act", "torch_dtype"].includes(name)) continue;
    expect([name, json[name]]).toEqual([name, value]);
  }
  const given = (change: object) => () =>
    esm2FromHuggingFace({ ...json, ...change }, "config.json");
  expect(given({ model_type: "bert" })).toThrow("expected model_type esm, found bert");
  expect(given({ position_embedding_type: "absolute" })).toThrow("only ESM-2");
  expect(given({ emb_layer_norm_before: true })).toThrow("only ESM-2");
  expect(given({ hidden_size: "16" })).toThrow(/config.json: hidden_size: expected a whole number/);
  expect(given({ token_dropout: 1 })).toThrow("token_dropout: expected true or false, found 1");
  expect(given({ hidden_dropout_prob: null })().hiddenDropout).toBe(0.1);
});
