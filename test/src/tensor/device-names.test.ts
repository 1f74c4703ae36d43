import { expect, test } from "vitest";
import { executorOfDevice, openDevice } from "../../../src/tensor/index.ts";

test.each([
  ["cpu", { executor: "onnx", device: "cpu" }],
  ["torch-cpu", { executor: "torch", device: "cpu" }],
  ["cuda:12", { executor: "torch", device: "cuda:12" }],
  ["webgpu", { executor: "onnx", device: "webgpu" }],
  ["tfjs", { executor: "tfjs", device: "cpu" }],
  ["tfjs:cpu", { executor: "tfjs", device: "cpu", backend: "cpu" }],
])("device %s", (name, expected) => {
  expect(executorOfDevice(name)).toEqual(expected);
});

test("a device that is not known is an error that names those there are", async () => {
  expect(() => executorOfDevice("gpu")).toThrow("device gpu: there is no such");
  expect(() => executorOfDevice("tfjs:webgl")).toThrow("tfjs: there is no backend webgl");
  await using executor = await openDevice("tfjs:cpu");
  expect(executor).toMatchObject({ name: "tfjs", backend: "cpu" });
});
