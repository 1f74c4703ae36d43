/** Training steps after each of which an executor must hold as many tensors as before. */
import { expect } from "vitest";
import type { Executable, Executor, ParameterState } from "../../../src/tensor/index.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

/** An executor that counts its tensors. */
interface CountingExecutor extends Executor {
  describe(): Promise<{ readonly liveTensors: number }>;
}

/**
 * Trains a layer of a transformer with two micro-batches a step; fails where the count grows. The state
 * is the caller's to close.
 */
export async function expectSteadyTensors(
  executor: CountingExecutor,
  steps: number,
): Promise<{ readonly state: ParameterState; readonly executable: Executable }> {
  const program = transformer();
  const state = await executor.createState(program.parameters);
  await state.write("values", randomParameters(program));
  const executable = await executor.compile(program);
  const counts: number[] = [];
  for (let step = 1; step <= steps; step++) {
    await state.zeroGradients();
    await state.run(executable, TRANSFORMER_INPUTS, { step });
    await state.run(executable, TRANSFORMER_INPUTS, { step, microBatch: 1 });
    await state.update({ kind: "adamw" }, { step, learningRate: 0.01, maxGradientNorm: 1 });
    counts.push((await executor.describe()).liveTensors);
  }
  expect(new Set(counts).size).toBe(1);
  return { state, executable };
}
