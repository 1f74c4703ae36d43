import { describe, expect, test } from "vitest";
import { openExecutor } from "../../../src/tensor/index.ts";
import { TfjsExecutor } from "../../../src/tensor/tfjs/executor.ts";
import { executorSuite } from "./executor.suite.ts";
import { expectSteadyTensors } from "./live-tensors.fixture.ts";
import { expectReferenceTraining } from "./train-transformer.fixture.ts";

describe.each(["cpu", "wasm"])("backend %s", (backend) => {
  executorSuite(() => openExecutor("tfjs", { backend }), { tolerance: 4e-6 });

  test("trains a transformer layer as the reference does, to float32", async () => {
    await expectReferenceTraining("tfjs", { backend });
  });

  test("no step leaves a tensor behind, and closing frees all but the tables", async () => {
    await using executor = await TfjsExecutor.open({ backend });
    expect(executor.backend).toBe(backend);
    const { state } = await expectSteadyTensors(executor, 20);
    await state.close();
    // Constants of the program, and sines and cosines of rotary embedding.
    expect((await executor.describe()).liveTensors).toBeLessThan(8);
  });
});

test("a backend that is not installed is an error that names its package", async () => {
  await expect(openExecutor("tfjs", { backend: "node-gpu" })).rejects.toMatchObject({
    code: "tfjs-missing",
    what: "@tensorflow/tfjs-node-gpu",
    suggestions: ["install it: npm install @tensorflow/tfjs-node-gpu@4.22.0"],
  });
  await expect(openExecutor("tfjs", { backend: "webgl" })).rejects.toThrow(
    "there is no backend webgl",
  );
});

test("without a wish the fastest installed backend runs", async () => {
  await using executor = await TfjsExecutor.open();
  expect(executor.backend).toBe("wasm");
});
