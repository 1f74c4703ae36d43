import { describe, expect, test } from "vitest";
import { openExecutor } from "../../../src/tensor/index.ts";
import { OnnxGraph } from "../../../src/tensor/onnx/graph.ts";
import { WebGpuExecutor } from "../../../src/tensor/onnx/webgpu/executor.ts";
import { GpuSessions } from "../../../src/tensor/onnx/webgpu/sessions.ts";
import { executorSuite } from "./executor.suite.ts";
import { expectSteadyTensors } from "./live-tensors.fixture.ts";
import { expectReferenceTraining } from "./train-transformer.fixture.ts";
import { NO_WEBGPU, TITLE } from "./webgpu.fixture.ts";

describe(TITLE, () => {
  if (NO_WEBGPU) {
    test.skip("the executor suite and the rest", () => {});
    return;
  }
  executorSuite(() => openExecutor("onnx", { device: "webgpu" }), { tolerance: 4e-6 });

  test("trains a transformer layer as the reference does, to float32", async () => {
    await expectReferenceTraining("onnx", { device: "webgpu" });
  });

  test("a node that would run on the processor is an error", async () => {
    const gpu = await GpuSessions.open();
    const graph = new OnnxGraph();
    graph.input("x", "float32", [2, 3]);
    graph.node("LogSoftmax", ["x"], ["y"], { axis: -1 });
    graph.output("y", "float32", [2, 3]);
    await expect(gpu.create(graph.finish("detour"), [])).rejects.toMatchObject({
      code: "webgpu",
      message: expect.stringContaining("assigned to the default CPU EP"),
    });
  });

  test("no step leaves a tensor behind, and closing frees all", async () => {
    await using executor = await WebGpuExecutor.open();
    const { state } = await expectSteadyTensors(executor, 10);
    await state.close();
    expect((await executor.describe()).liveTensors).toBe(0);
  });
});
