/**
 * The executor `torch` with its calls for CUDA, on a machine without a GPU: by the Python of
 * SCDL_TORCH_PYTHON, which has a PyTorch (`npm run conformance` names the one of its environment).
 */
import { afterAll, expect, test } from "vitest";
import { Binding } from "../../../src/tensor/torch/binding.ts";
import { CudaRandom } from "../../../src/tensor/torch/cuda-random.ts";
import { SimulatedGpu, torchService } from "../../conformance/cuda-program/executor.ts";
import { executorSuite } from "./executor.suite.ts";
import { LIBTORCH } from "./torch.fixture.ts";
import { randomParameters, TRANSFORMER_INPUTS, transformer } from "./transformer.fixture.ts";

const python = process.env["SCDL_TORCH_PYTHON"];

if (python === undefined || LIBTORCH === null) {
  test.skip("torch's program for CUDA: SCDL_TORCH_PYTHON names no Python with torch", () => {});
} else {
  const libtorch = LIBTORCH;
  const open = () => new SimulatedGpu(torchService(python), libtorch);
  afterAll(() => torchService(python).close());
  executorSuite(async () => open(), { tolerance: 4e-6 });

  test("the functions of C++ that CUDA needs are found by their symbols", () => {
    if (!libtorch.cuda) return;
    const binding = new Binding(libtorch, true);
    expect(CudaRandom.symbols.map((name) => binding.symbol(name, "void", []) !== null)).toEqual([
      true,
      true,
    ]);
  });

  test("handles are freed once each, and none is left by a step", async () => {
    const program = transformer();
    const executor = open();
    const state = await executor.createState(program.parameters);
    await state.write("values", randomParameters(program));
    const executable = await executor.compile(program);
    const counts: number[] = [];
    for (let step = 1; step <= 4; step++) {
      await state.zeroGradients();
      await state.run(executable, TRANSFORMER_INPUTS, { step });
      await state.run(executable, TRANSFORMER_INPUTS, { step, microBatch: 1 });
      await state.update({ kind: "adamw" }, { step, learningRate: 0.01, maxGradientNorm: 1 });
      counts.push(executor.binding.liveHandles);
    }
    expect(new Set(counts.slice(1)).size).toBe(1);
  });
}
