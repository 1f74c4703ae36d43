import { expect, test } from "vitest";
import { openExecutor } from "../../../src/tensor/index.ts";

test.skipIf(process.platform !== "linux")(
  "without a GPU webgpu is an error with what to do, and the process goes on",
  async () => {
    // What Vulkan looks for drivers in.
    process.env["VK_DRIVER_FILES"] = process.env["VK_ICD_FILENAMES"] = "/there-is-no-driver.json";
    const opened = openExecutor("onnx", { device: "webgpu" });
    await expect(opened).rejects.toMatchObject({
      name: "UnsupportedFeatureError",
      message: expect.stringMatching(/^there is no GPU that WebGPU can use: /),
    });
    await using executor = await openExecutor("onnx", { device: "cpu", threads: 1 });
    expect(executor.name).toBe("onnx");
  },
);

test("a precision that a device does not compute in is an error", async () => {
  const precision = "bf16-mixed";
  await expect(openExecutor("onnx", { device: "webgpu", precision })).rejects.toThrow(
    "device webgpu computes float32, not bf16-mixed",
  );
  await expect(openExecutor("tfjs", { backend: "cpu", precision })).rejects.toThrow(
    "device tfjs:cpu computes float32, not bf16-mixed",
  );
});

test("another device of onnx is an error that names those there are", async () => {
  await expect(openExecutor("onnx", { device: "cuda" })).rejects.toMatchObject({
    message: "onnx: there is no device cuda",
    suggestions: ["use cpu or webgpu, or the executor torch for cuda"],
  });
});
