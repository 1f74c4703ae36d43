import { expect, test } from "vitest";
import { executorSettings } from "../../../src/tensor/executor-settings.ts";
import { executorOfDevice, openDevice, openExecutor } from "../../../src/tensor/index.ts";

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

test.each([
  ["cpu", { determinstic: true }, "openDevice has no option determinstic"],
  ["cpu", { device: "cuda" }, "openDevice has no option device"],
  ["cpu", { libtorch: 5 }, "openDevice: libtorch is 5, expected a text"],
  ["torch-cpu", { deterministic: 1 }, "openDevice: deterministic is 1, expected true or false"],
  ["cpu", { precision: 16 }, 'openDevice: precision is 16, expected one of "32", "bf16-mixed"'],
  ["cpu", { backend: "wasm" }, "device cpu has no backend"],
  ["tfjs:cpu", { backend: "wasm" }, "device tfjs:cpu, but the option backend is wasm"],
])("openDevice(%j, %j) is a wrong argument", async (name, options, message) => {
  const error = await openDevice(name, options as object).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    name: "InvalidArgumentError",
    message: expect.stringContaining(message),
  });
});

test.each([
  ["cpu", { precision: "bf16-mixed" }, "device cpu computes float32, not bf16-mixed"],
  ["cpu", { countMemory: true }, "device cpu does not count its memory"],
  ["cpu", { tf32: true }, "device cpu has no TF32"],
  ["torch-cpu", { tf32: true }, "device torch-cpu has no TF32"],
  ["tfjs:cpu", { countMemory: true }, "device tfjs:cpu does not count its memory"],
] as const)("device %s cannot do %j", async (name, options, message) => {
  const error = await openDevice(name, options).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    name: "UnsupportedFeatureError",
    message: expect.stringContaining(message),
    suggestions: [expect.stringMatching(/leave /)],
  });
});

test("the nearest option is suggested", async () => {
  await expect(openExecutor("onnx", { treads: 1 } as object)).rejects.toMatchObject({
    suggestions: ["threads, if that is what treads should be"],
  });
  await expect(openExecutor("reference", { device: "cuda" })).rejects.toThrow(
    "reference: there is no device cuda",
  );
});

test("a processor is deterministic anyway, and an executor says what it was asked for", async () => {
  await using executor = await openDevice("cpu", { deterministic: true, threads: 1 });
  const settings = { device: "cpu", precision: "32", deterministic: true, tf32: false };
  expect(executor.settings).toEqual(settings);
  expect(() => executorSettings("webgpu", { deterministic: true })).toThrow(
    "device webgpu cannot promise the same bits every time",
  );
});
