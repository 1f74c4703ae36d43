import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { LabelledBatch } from "../../../src/models/index.ts";
import {
  Geneformer,
  initialParameter,
  initialParameters,
  loadWeights,
  openBackbone,
  openModel,
  SequenceModel,
  saveWeights,
  TokenModel,
} from "../../../src/models/index.ts";
import { PearsonMetric } from "../../../src/train/metrics/metrics.ts";
import { fixture, readTensors, relativeError, runModel } from "./model-fixture.ts";

const expected = readTensors("heads.safetensors");
const trunk = openBackbone(fixture("esm2"));
const QUERY = "esm.encoder.layer.0.attention.self.query.weight";
const still = { dropout: 0, encoderFrozen: false };
const MODELS = {
  regression: new SequenceModel(trunk, {
    task: "regression",
    headSize: 12,
    labelMean: 0.5,
    ...still,
  }),
  classification: new SequenceModel(trunk, {
    task: "classification",
    targetSize: 4,
    headSize: 12,
    ...still,
  }),
  token: new TokenModel(trunk, still),
};

function batchOf(task: keyof typeof MODELS): LabelledBatch {
  const text = expected.get("input_ids") as Int32Array; // the script wrote these types
  const attentionMask = expected.get("attention_mask") as Uint8Array;
  const labels = expected.get(`${task}.labels`) as Int32Array | Float32Array;
  const isToken = labels.length === text.length;
  const lossMask = isToken
    ? Uint8Array.from(labels, (label) => (label < 0 ? 0 : 1))
    : attentionMask;
  return { text, attentionMask, labels, lossMask, shape: [3, 14] };
}

describe.each(["regression", "classification", "token"] as const)("%s", (task) => {
  const model = MODELS[task];
  const batch = batchOf(task);
  const prefix = task === "token" ? "classification_head." : `${task}_head.`;
  const { values, report } = loadWeights(
    model,
    fixture("esm2"),
    (spec) => initialParameter(spec, 0),
    { skipPrefixes: [prefix] },
  );
  const weights = new Map(values);
  for (const [name, head] of expected) {
    const [, part] = name.split(`${task}.head.`);
    if (part !== undefined) weights.set(prefix + part, head as Float32Array);
  }

  test("the trunk is loaded, the vocabulary head is left, the new head begins anew", () => {
    expect(values.size).toBe(trunk.trunkParameters.length);
    expect(report.initial.map(({ parameter }) => parameter)).toHaveLength(4);
    expect(report.unused).toContainEqual({
      tensor: "lm_head.bias",
      reason: `not in ${model.name}`,
    });
  });

  test("outputs, loss and gradients are those of BioNeMo's head", async () => {
    const predicted = await runModel(model, weights, batch, "predict");
    const name = task === "regression" ? "regression_output" : "classification_output";
    expect(relativeError(predicted.outputs[name], expected.get(`${task}.output`))).toBeLessThan(
      1e-6,
    );
    const { loss, gradients } = await runModel(model, weights, batch, "train");
    expect(relativeError([loss ?? 0], expected.get(`${task}.loss`))).toBeLessThan(1e-6);
    for (const [key, wanted] of expected) {
      const [, part] = key.split(`${task}.gradient.`);
      if (part === undefined) continue;
      const gradient = gradients.get(part === "trunk" ? QUERY : prefix + part);
      expect([part, relativeError(gradient, wanted)]).toEqual([part, expect.toBeBelow(2e-6)]);
    }
    const count = model.lossCount(batch);
    expect(count).toBe(task === "token" ? 29 : 3);
    expect(model.reduce({ loss: 2 * count }, count)).toEqual({ loss: 2 });
    const validated = await runModel(model, weights, batch, "validate");
    expect(relativeError([validated.loss ?? 0], [loss ?? 0])).toBeLessThan(1e-6);
    if (task !== "regression") return;
    const sums = Object.entries({ ...validated.outputs, loss: [validated.loss ?? 0] });
    const metrics = model.reduce(
      Object.fromEntries(sums.map(([key, [value]]) => [key, Number(value)])),
      count,
    );
    const pearson = new PearsonMetric();
    pearson.addValues(predicted.outputs[name] ?? [], batch.labels);
    expect(metrics["mse"]).toBe(metrics["loss"]);
    expect(metrics["pearson"]).toBeCloseTo(pearson.result(), 4);
  });

  test("labels of another task are refused", () => {
    const other = batchOf(task === "token" ? "regression" : "token");
    expect(() => model.inputs(other, model.sizeOf(other), "train")).toThrow(
      task === "token" ? "a class for each of 42 tokens" : "as labels of 3 sequences",
    );
  });

  test("comes back from its folder", () => {
    const folder = mkdtempSync(join(tmpdir(), "heads-"));
    saveWeights(model, weights, folder);
    const again = openModel(folder);
    expect(again.constructor).toBe(model.constructor);
    expect(again.settings).toEqual(model.settings);
    const loaded = loadWeights(again, folder, (spec) => initialParameter(spec, 0));
    expect(loaded.values).toEqual(weights);
    rmSync(folder, { recursive: true });
  });
});

test("a Geneformer takes a head too: cells to classes", async () => {
  const cells = new Geneformer({ layers: 1, hiddenSize: 8, heads: 2, vocabSize: 40 });
  const model = new SequenceModel(cells, { task: "classification", targetSize: 5 });
  const batch = { ...batchOf("classification"), labels: Int32Array.of(4, 0, 1) };
  const weights = initialParameters(model.parameters, 0);
  const { loss, outputs } = await runModel(model, weights, batch, "validate");
  expect(loss).toBeGreaterThan(0);
  expect(outputs["correct"]?.[0]).toBeLessThanOrEqual(3);
});

test("the head alone is trained unless the encoder is not frozen", () => {
  const trained = (model: SequenceModel | TokenModel) =>
    model.parameters.filter((spec) => spec.trained).map(({ name }) => name);
  expect(trained(new SequenceModel(trunk, { task: "regression" }))).toEqual(
    ["0.weight", "0.bias", "1.weight", "1.bias"].map(
      (part) => `regression_head.linear_layers.${part}`,
    ),
  );
  expect(trained(new TokenModel(trunk))).toHaveLength(4);
  expect(trained(MODELS.token)).toHaveLength(MODELS.token.parameters.length);
});
