import { expect, test } from "vitest";
import { openExecutor } from "../../../src/tensor/index.ts";
import { executorSuite } from "./executor.suite.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

executorSuite(() => openExecutor("onnx", { threads: 2 }), { tolerance: 4e-6 });

const program = transformer();

/** Three AdamW steps of two micro-batches each: losses, then values at the end. */
async function train(name: string, threads: number) {
  await using executor = await openExecutor(name, { threads });
  await using state = await executor.createState(program.parameters);
  await state.write("values", randomParameters(program));
  const executable = await executor.compile(program);
  const losses: number[] = [];
  for (let step = 1; step <= 3; step++) {
    await state.zeroGradients();
    for (const microBatch of [0, 1]) {
      const key = { seed: 5, step, microBatch };
      const { loss } = await state.run(executable, TRANSFORMER_INPUTS, key);
      losses.push(loss?.[0] ?? Number.NaN);
    }
    await state.update({ kind: "adamw" }, { step, learningRate: 0.01, maxGradientNorm: 1 });
  }
  return { losses, values: await state.read("values"), gradients: await state.read("gradients") };
}

test("onnx trains a transformer layer as the reference does, to float32", async () => {
  const expected = await train("reference", 1);
  const found = await train("onnx", 2);
  for (const [at, loss] of expected.losses.entries()) expect(found.losses[at]).toBeCloseTo(loss, 5);
  for (const kind of ["values", "gradients"] as const) {
    for (const [name, data] of expected[kind]) {
      const other = found[kind].get(name) ?? new Float32Array(0);
      const difference = Math.max(...data.map((value, at) => Math.abs(value - (other[at] ?? 0))));
      expect(difference, `${kind} of ${name}`).toBeLessThan(5e-6);
    }
  }
});

test("a run is the same bit for bit with any number of threads", async () => {
  expect(await train("onnx", 1)).toEqual(await train("onnx", 2));
});
