import { expect, test } from "vitest";
import { openExecutor } from "../../../src/tensor/index.ts";
import { executorSuite } from "./executor.suite.ts";
import { trainTransformer } from "./train-transformer.fixture.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

executorSuite(() => openExecutor("onnx", { threads: 2 }), { tolerance: 4e-6 });

test("onnx trains a transformer layer as the reference does, to float32", async () => {
  const expected = await trainTransformer("reference");
  const found = await trainTransformer("onnx", { threads: 2 });
  for (const [at, loss] of expected.losses.entries()) expect(found.losses[at]).toBeCloseTo(loss, 5);
  for (const kind of ["values", "gradients"] as const) {
    for (const [name, data] of expected[kind]) {
      expect(difference(found[kind].get(name), data), `${kind} of ${name}`).toBeLessThan(5e-6);
    }
  }
});

test("heads of 64, whose products are turned the other way, have the reference's gradients", async () => {
  const program = transformer(64);
  const gradients = async (name: string) => {
    await using executor = await openExecutor(name, { threads: 2 });
    await using state = await executor.createState(program.parameters);
    await state.write("values", randomParameters(program));
    await state.run(await executor.compile(program), TRANSFORMER_INPUTS, { seed: 5 });
    return state.read("gradients");
  };
  const [expected, found] = [await gradients("reference"), await gradients("onnx")];
  for (const [name, data] of expected) {
    const largest = Math.max(...data.map(Math.abs));
    expect(difference(found.get(name), data), name).toBeLessThan(2e-5 * Math.max(largest, 0.01));
  }
});

function difference(found: Float32Array | undefined, expected: Float32Array): number {
  return Math.max(...expected.map((value, at) => Math.abs(value - (found?.[at] ?? Number.NaN))));
}

test("a run is the same bit for bit with any number of threads", async () => {
  expect(await trainTransformer("onnx", { threads: 1 })).toEqual(
    await trainTransformer("onnx", { threads: 2 }),
  );
});
