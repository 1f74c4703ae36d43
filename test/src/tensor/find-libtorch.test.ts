import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openExecutor } from "../../../src/tensor/index.ts";
import { requireCuda } from "../../../src/tensor/torch/cuda-driver.ts";
import { findLibtorch } from "../../../src/tensor/torch/find-libtorch.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-libtorch-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A package as pip installs it, without its code. */
function install(prefix: string, version: string): string {
  const torch = join(folder, prefix, "lib", "python3.12", "site-packages", "torch");
  mkdirSync(join(torch, "lib"), { recursive: true });
  writeFileSync(join(torch, "lib", "libtorch_cpu.so"), "no library");
  writeFileSync(join(torch, "version.py"), `__version__ = '${version}'\ncuda = None\n`);
  return torch;
}

const torch = install("env", "2.12.1+cpu");
const other = install("conda", "2.10.0");
const old = install("old", "2.9.1");
const env = join(folder, "env");

describe.skipIf(process.platform !== "linux")("findLibtorch", () => {
  test.each([
    ["the package", torch, {}, "--libtorch"],
    ["its lib", join(torch, "lib"), {}, "--libtorch"],
    ["the environment", env, {}, "--libtorch"],
    ["LIBTORCH", undefined, { LIBTORCH: torch, VIRTUAL_ENV: join(folder, "conda") }, "LIBTORCH"],
    [
      "the active environment",
      undefined,
      { VIRTUAL_ENV: env, CONDA_PREFIX: folder },
      "VIRTUAL_ENV",
    ],
  ])("finds it by %s", (_, given, environment, source) => {
    expect(findLibtorch(given, environment)).toEqual({
      directory: join(torch, "lib"),
      source,
      version: "2.12.1+cpu",
      cuda: false,
    });
  });

  test("a virtual environment without PyTorch leaves it to conda's", () => {
    const environment = { VIRTUAL_ENV: folder, CONDA_PREFIX: join(folder, "conda") };
    expect(findLibtorch(undefined, environment).directory).toBe(join(other, "lib"));
  });

  test("none is an error with the command that helps", () => {
    expect(() => findLibtorch(undefined, { PATH: folder })).toThrow(
      expect.objectContaining({
        code: "libtorch-missing",
        suggestions: expect.arrayContaining(["install PyTorch: pip install torch"]),
      }),
    );
    expect(() => findLibtorch(folder)).toThrow(`--libtorch ${folder}: no libtorch_cpu.so in it`);
    const nowhere = join(folder, "nowhere");
    expect(() => findLibtorch(nowhere)).toThrow(`--libtorch ${nowhere}: there is no such folder`);
  });

  test("one that is too old says what it is and what is expected", () => {
    expect(() => findLibtorch(old)).toThrow("expected PyTorch 2.10 or newer, found 2.9.1");
  });

  test("a library that is none is an error and not a crash", async () => {
    await expect(openExecutor("torch", { libtorch: torch })).rejects.toMatchObject({
      name: "FormatError",
      message: expect.stringContaining("libtorch_cpu.so: expected a shared library (ELF)"),
      suggestions: [expect.stringContaining("install PyTorch again"), expect.anything()],
    });
  });

  test("CUDA wants a build for it, a driver and the device", () => {
    const cpu = findLibtorch(torch);
    const cuda = { ...cpu, cuda: true };
    const device = { name: "GPU", totalBytes: 2 ** 30, capability: [9, 0] } as const;
    expect(() => requireCuda(cpu, 0)).toThrow("PyTorch 2.12.1+cpu is a build without CUDA");
    expect(() => requireCuda(cuda, 0, () => ({ missing: "no driver" }))).toThrow(
      "built for CUDA, but the NVIDIA driver is not installed or does not start",
    );
    expect(() => requireCuda(cuda, 0, () => ({ missing: "no device" }))).toThrow("finds no GPU");
    expect(() => requireCuda(cuda, 3, () => ({ devices: [device] }))).toThrow(
      "there is no device cuda:3 (there is: cuda:0)",
    );
    expect(requireCuda(cuda, 0, () => ({ devices: [device] }))).toBe(device);
  });

  test.each([
    [{ device: "gpu" }, "device gpu: expected cpu, cuda or cuda:N"],
    [{ device: "cuda:x" }, "device cuda:x: expected cpu, cuda or cuda:N"],
    [{ precision: "8" as "32" }, 'precision is "8", expected one of "32"'],
    [{ threads: 0 }, "threads: expected a whole number from 1 to "],
  ])("%o is refused", async (options, message) => {
    await expect(openExecutor("torch", { libtorch: torch, ...options })).rejects.toThrow(message);
  });
});
