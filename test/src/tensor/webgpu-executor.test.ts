import { describe, expect, test } from "vitest";
import {
  openExecutor,
  type Program,
  ProgramBuilder,
  type Shape,
  scale,
} from "../../../src/tensor/index.ts";
import { OnnxGraph } from "../../../src/tensor/onnx/graph.ts";
import { WebGpuExecutor } from "../../../src/tensor/onnx/webgpu/executor.ts";
import { GpuSessions } from "../../../src/tensor/onnx/webgpu/sessions.ts";
import { executorSuite } from "./executor.suite.ts";
import { expectSteadyTensors } from "./live-tensors.fixture.ts";
import { expectReferenceTraining } from "./train-transformer.fixture.ts";
import { NO_WEBGPU, TITLE } from "./webgpu.fixture.ts";

function doubling(shape: Shape): Program {
  const builder = new ProgramBuilder();
  builder.output("y", scale(builder.parameter("x", shape), 2));
  return builder.build();
}

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

  // One device and no lock in the library: two calls at once, or a thread ended in one, end the process.
  test("executors work side by side, and are closed while they work", async () => {
    const work = async (rounds: number) => {
      for (let round = 0; round < rounds; round++) {
        const executor = await WebGpuExecutor.open();
        const program = doubling([2, 3 + round]);
        const state = await executor.createState(program.parameters);
        const run = () => executor.compile(program).then((made) => state.run(made, {}));
        const runs = [run(), run()].map((made) => made.catch((error: Error) => error.message));
        const first = round % 2 === 0 ? await runs[0] : undefined;
        if (first !== undefined) expect(first).toEqual({ y: new Float32Array(6 + 2 * round) });
        await executor.close();
        await runs[1];
      }
    };
    await Promise.all([work(6), work(6), work(6)]);
  });

  test("no step leaves a tensor behind, and closing frees all", async () => {
    await using executor = await WebGpuExecutor.open();
    const { state } = await expectSteadyTensors(executor, 10);
    await state.close();
    expect((await executor.describe()).liveTensors).toBe(0);
  });
});
