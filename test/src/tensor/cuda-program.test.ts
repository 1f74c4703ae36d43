/**
 * The executor `torch` with its calls for CUDA, on a machine without a GPU: by the Python of
 * SCDL_TORCH_PYTHON, which has a PyTorch (`npm run conformance` names the one of its environment).
 */
import { afterAll, expect, test } from "vitest";
import { Binding } from "../../../src/tensor/torch/binding.ts";
import { CudaRandom } from "../../../src/tensor/torch/cuda-random.ts";
import { Libtorch } from "../../../src/tensor/torch/libtorch.ts";
import type { OperatorName } from "../../../src/tensor/torch/operators.ts";
import type { Argument } from "../../../src/tensor/torch/tensor.ts";
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

  test("arguments of CUDA's operators and devices are what libtorch reads", () => {
    const torch = new Libtorch(libtorch, "cpu", 0);
    const q = torch.one("reshape", torch.full([64], 0, torch.dtypes.float32), [2, 1, 4, 8]);
    const row = torch.one("reshape", q, [1, 8, 1, 8]);
    const bounds = torch.fromHost(Int32Array.of(0, 4, 8), [3]);
    const none = torch.undefinedTensor();
    const mask = [true, true, true, false];
    const calls: readonly (readonly [OperatorName, readonly Argument[]])[] = [
      ["flashAttention", [q, q, q, 0.1, false, false, 0.5]],
      ["flashAttentionBackward", [q, q, q, q, q, q, none, none, 4, 4, 0.1, false, q, q, 0.5]],
      ["efficientAttention", [q, q, q, null, true, 0.1, false, 0.5]],
      ["efficientAttentionBackward", [q, q, q, q, none, q, q, q, q, 0.1, mask, false, 0.5]],
      ["variableAttention", [q, q, q, bounds, bounds, 4, 4, 0.1, false, false, 0.5]],
      ["variableAttentionBackward", [q, q, q, q, q, q, bounds, bounds, 4, 4, 0.1, false, q, q]],
      ["variableEfficientAttention", [row, row, row, null, bounds, bounds, 4, 4, 0.1, 0, true]],
      [
        "variableEfficientAttentionBackward",
        [row, row, row, row, null, row, bounds, bounds, 4, 4, q, 0.1, q, q, 0, false, 0.5],
      ],
    ];
    // Each is understood as far as that the CPU has no kernel; libtorch before 2.13 prints so.
    for (const [name, given] of calls) {
      expect(() => torch.many(name, ...given), name).toThrow(/Could not run|printed the reason/);
    }
    const type = torch.binding.number("aoti_torch_device_type_meta");
    const moved = torch.one("toCopy", q, null, null, { type, index: 0 });
    const found = new Int32Array(1);
    const types = ["uintptr_t", "void *"];
    torch.binding.symbol("aoti_torch_get_device_type", "int32", types)?.(moved.handle, found);
    expect(found[0]).toBe(type);
    torch.sweep();
  });

  test.each([
    [true, "_scaled_dot_product_flash_attention"],
    [false, "_scaled_dot_product_efficient_attention"],
  ])("with flash kernels %s a row in bfloat16 takes %s", async (hasFlash, kernel) => {
    const program = transformer(8);
    const service = torchService(python);
    const executor = new SimulatedGpu(service, libtorch, { precision: "bf16-mixed" }, hasFlash);
    await using state = await executor.createState(program.parameters);
    await state.write("values", randomParameters(program));
    service.ask("launched");
    const inputs = { ...TRANSFORMER_INPUTS, mask: new Uint8Array(8).fill(1) };
    await state.run(await executor.compile(program), inputs, { step: 1 });
    const attention = Object.keys(service.ask("launched") as object).filter((name) =>
      name.includes("attention"),
    );
    expect(new Set(attention)).toEqual(new Set([kernel, `${kernel}_backward`]));
  });

  test.each(["32", "16-mixed"] as const)("handles are freed once each, %s", async (precision) => {
    const program = transformer();
    const executor = new SimulatedGpu(torchService(python), libtorch, { precision });
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
