import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { exportOnnx } from "../../../src/infer/index.ts";
import {
  initialParameters,
  openBackbone,
  saveWeights,
  TokenModel,
} from "../../../src/models/index.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { fixture, readTensors, relativeError } from "../models/model-fixture.ts";

const SIZE = { batchSize: 4, length: 14 };

test("an exported ESM-2 gives the logits of transformers in ONNX Runtime", async () => {
  const output = join(temporaryDirectory(), "new", "esm2.onnx");
  const outputs = ["token_logits", "embeddings"] as const;
  const result = exportOnnx({ checkpointPath: fixture("esm2"), output, outputs, ...SIZE });
  expect(result).toMatchObject({
    inputs: { input_ids: "int32 [4, 14]", attention_mask: "bool [4, 14]" },
    outputs: { token_logits: [4, 14, 33], embeddings: [4, 16] },
  });
  const expected = readTensors("esm2/expected.safetensors");
  const session = await InferenceSession.create(output);
  expect(new Set(session.inputNames)).toEqual(new Set(["input_ids", "attention_mask"]));
  const found = await session.run({
    input_ids: new Tensor("int32", expected.get("input_ids") as Int32Array, [4, 14]),
    attention_mask: new Tensor("bool", expected.get("attention_mask") as Uint8Array, [4, 14]),
  });
  await session.release();
  const embeddings = found["embeddings"]?.data as Float32Array; // proof: float32 outputs
  expect(relativeError(embeddings, expected.get("embeddings"))).toBeLessThan(1e-5);
  const logits = found["token_logits"]?.data as Float32Array;
  expect(relativeError(logits, expected.get("logits"))).toBeLessThan(2e-5);
});

test("a fine-tuned model is exported with its head; what cannot be is refused by name", async () => {
  const folder = temporaryDirectory();
  const model = new TokenModel(openBackbone(fixture("esm2")), { labels: ["H", "E"] });
  saveWeights(model, initialParameters(model.parameters, 3), folder);
  const options = { checkpointPath: folder, output: join(folder, "head.onnx") };
  expect(exportOnnx({ ...options, ...SIZE }).outputs).toEqual({
    classification_output: [4, 14, 2],
  });
  expect(() => exportOnnx(options)).toThrow(expect.objectContaining({ code: "already-exists" }));
  const other = { ...options, output: join(folder, "other.onnx") };
  expect(() => exportOnnx({ ...other, outputs: ["embeddings"] })).toThrow(
    "has no output embeddings",
  );
  expect(() => exportOnnx({ ...other, length: 0 })).toThrow("length is 0");
  const bert = { ...other, checkpointPath: fixture("bert"), length: 10_000 };
  expect(() => exportOnnx(bert)).toThrow(/the model has \d+ positions/);
  const large = join(folder, "large");
  saveWeights({ ...model, parameters: [] }, new Map(), large);
  const text = JSON.stringify({
    ...openBackbone(fixture("esm2")).config,
    hidden_size: 5120,
    num_hidden_layers: 48,
    num_attention_heads: 40,
    intermediate_size: 20480,
  });
  writeFileSync(join(large, "config.json"), text);
  expect(() => exportOnnx({ ...other, checkpointPath: large })).toThrow(/take \d+\.\d GiB/);
  expect(existsSync(other.output)).toBe(false);
});
