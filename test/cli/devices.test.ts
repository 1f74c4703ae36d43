import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { runScdl } from "../helpers/run-process.ts";

const NO_VULKAN = { VK_DRIVER_FILES: "/no-driver.json", VK_ICD_FILENAMES: "/no-driver.json" };

/** Without what leads to an installed PyTorch, or to a GPU. */
function emptyEnvironment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { LIBTORCH: _1, VIRTUAL_ENV: _2, CONDA_PREFIX: _3, ...rest } = process.env;
  return { ...rest, PATH: temporaryDirectory(), ...NO_VULKAN, ...more };
}

test.skipIf(process.platform !== "linux")(
  "scdl devices lists what there is, and the command that helps where there is none",
  async () => {
    const old = join(temporaryDirectory(), "torch");
    mkdirSync(join(old, "lib"), { recursive: true });
    writeFileSync(join(old, "lib", "libtorch_cpu.so"), "");
    writeFileSync(join(old, "version.py"), "__version__ = '2.4.0'\n");
    const [none, json] = await Promise.all([
      runScdl(["devices"], { env: emptyEnvironment() }),
      runScdl(["devices", "--json"], { env: emptyEnvironment({ LIBTORCH: old }) }),
    ]);
    expect(none).toMatchObject({ code: 0, stderr: "" });
    expect(none.stdout).toMatch(/^cpu {8}ONNX Runtime \d.*, \d+ threads, .*; precision 32\n/);
    expect(none.stdout).toContain("\ntorch-cpu, cuda: not usable: no libtorch: not in LIBTORCH");
    expect(none.stdout).toContain("\n           install PyTorch: pip install torch\n");
    expect(none.stdout).toContain("\nwebgpu: not usable: there is no GPU that WebGPU can use: ");
    expect(none.stdout).toMatch(/\ntfjs:wasm {2}TensorFlow.js 4.22.0: .*; precision 32\n/);
    const [cpu, torch, cuda] = JSON.parse(json.stdout);
    expect(cpu).toMatchObject({ device: "cpu", executor: "onnx", problem: null });
    for (const [report, device] of [
      [torch, "torch-cpu"],
      [cuda, "cuda"],
    ]) {
      expect(report).toMatchObject({
        device,
        executor: "torch",
        precisions: [],
        problem: `${old}/lib: expected PyTorch 2.10 or newer, found 2.4.0`,
      });
    }
  },
);
