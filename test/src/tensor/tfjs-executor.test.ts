import { describe, expect, test } from "vitest";
import { openExecutor } from "../../../src/tensor/index.ts";
import { TfjsExecutor } from "../../../src/tensor/tfjs/executor.ts";
import { executorSuite } from "./executor.suite.ts";
import { expectReferenceTraining } from "./train-transformer.fixture.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

const program = transformer();

describe.each(["cpu", "wasm"])("backend %s", (backend) => {
  executorSuite(() => openExecutor("tfjs", { backend }), { tolerance: 4e-6 });

  test("trains a transformer layer as the reference does, to float32", async () => {
    await expectReferenceTraining("tfjs", { backend });
  });

  test("no step leaves a tensor behind, and closing frees all but the tables", async () => {
    await using executor = await TfjsExecutor.open({ backend });
    expect(executor.backend).toBe(backend);
    const state = await executor.createState(program.parameters);
    await state.write("values", randomParameters(program));
    const executable = await executor.compile(program);
    const counts: number[] = [];
    for (let step = 1; step <= 20; step++) {
      await state.zeroGradients();
      await state.run(executable, TRANSFORMER_INPUTS, { step });
      await state.run(executable, TRANSFORMER_INPUTS, { step, microBatch: 1 });
      await state.update({ kind: "adamw" }, { step, learningRate: 0.01, maxGradientNorm: 1 });
      counts.push((await executor.describe()).liveTensors);
    }
    expect(new Set(counts).size).toBe(1);
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
