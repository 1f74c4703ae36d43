import { expect } from "vitest";
import { type ExecutorOptions, openExecutor } from "../../../src/tensor/index.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

const program = transformer();

/**
 * Three AdamW steps of two micro-batches each: losses, then what the state holds at the end.
 * @param factor on the loss, in float16
 */
export async function trainTransformer(name: string, options: ExecutorOptions = {}, factor = 1) {
  await using executor = await openExecutor(name, options);
  await using state = await executor.createState(program.parameters);
  await state.write("values", randomParameters(program));
  await state.lossScale?.({ factor, goodUpdates: 0 });
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
  return {
    losses,
    values: await state.read("values"),
    gradients: await state.read("gradients"),
    first: await state.read("first"),
    second: await state.read("second"),
  };
}

/** Losses, values, gradients and moments are those of the reference executor, to float32. */
export async function expectReferenceTraining(
  name: string,
  options: ExecutorOptions = {},
): Promise<void> {
  const expected = await trainTransformer("reference");
  const found = await trainTransformer(name, options);
  for (const [at, loss] of expected.losses.entries()) expect(found.losses[at]).toBeCloseTo(loss, 5);
  for (const kind of ["values", "gradients", "first", "second"] as const) {
    for (const [parameter, data] of expected[kind]) {
      const other = found[kind].get(parameter) ?? new Float32Array(0);
      const difference = Math.max(...data.map((value, at) => Math.abs(value - (other[at] ?? 0))));
      expect(difference, `${kind} of ${parameter}`).toBeLessThan(5e-6);
    }
  }
}
