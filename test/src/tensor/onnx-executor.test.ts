import { expect, test } from "vitest";
import { openExecutor } from "../../../src/tensor/index.ts";
import { executorSuite } from "./executor.suite.ts";
import { trainTransformer } from "./train-transformer.fixture.ts";

executorSuite(() => openExecutor("onnx", { threads: 2 }), { tolerance: 4e-6 });

test("onnx trains a transformer layer as the reference does, to float32", async () => {
  const expected = await trainTransformer("reference");
  const found = await trainTransformer("onnx", { threads: 2 });
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
  expect(await trainTransformer("onnx", { threads: 1 })).toEqual(
    await trainTransformer("onnx", { threads: 2 }),
  );
});
