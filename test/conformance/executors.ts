/** What models run on here: every executor, the one on libtorch with the PyTorch of the environment. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Executor, type ExecutorOptions, openExecutor } from "../../src/tensor/index.ts";
import { requireCuda } from "../../src/tensor/torch/cuda-driver.ts";
import { findLibtorch } from "../../src/tensor/torch/find-libtorch.ts";
import type { RunDeviceOptions } from "../../src/train/runs/run-executor.ts";
import { REPOSITORY_ROOT, runProcess } from "../helpers/run-process.ts";
import { SimulatedGpu, torchService } from "./cuda-program/executor.ts";
import type { Tally } from "./tally.ts";

export interface TestedExecutor {
  /** E.g. "torch on cpu". */
  readonly name: string;
  /** Whether it is the first, with which names of checks need no addition. */
  readonly isUsual: boolean;
  /** Whether it computes operation by operation in Python what a GPU would: slow. */
  readonly isSimulated?: boolean;
  /** As a run is told of it; none for the simulated one. */
  readonly device?: RunDeviceOptions;
  open(options?: ExecutorOptions): Promise<Executor>;
}

const ONNX: TestedExecutor = {
  name: "onnx",
  isUsual: true,
  device: { executor: "onnx" },
  open: (options = {}) => openExecutor("onnx", { threads: 1, ...options }),
};

/** All that this machine has. SCDL_REQUIRE_GPU=1: no GPU is an error. */
export function testedExecutors(python: string): readonly TestedExecutor[] {
  if (process.platform !== "linux") return [ONNX];
  const found = findLibtorch(environmentOf(python));
  const torch = (device: string): TestedExecutor => ({
    name: `torch on ${device}`,
    isUsual: false,
    device: { device: device === "cpu" ? "torch-cpu" : device, libtorch: found.directory },
    open: (options = {}) =>
      openExecutor("torch", { threads: 1, device, libtorch: found.directory, ...options }),
  });
  const simulated: TestedExecutor = {
    name: "torch's program for CUDA",
    isUsual: false,
    isSimulated: true,
    open: async (options) => new SimulatedGpu(torchService(python), found, options),
  };
  try {
    requireCuda(found, 0);
    return [ONNX, torch("cpu"), torch("cuda"), simulated];
  } catch (error) {
    if (process.env["SCDL_REQUIRE_GPU"] === "1") throw error;
    return [ONNX, torch("cpu"), simulated];
  }
}

export function environmentOf(python: string): string {
  return dirname(dirname(python));
}

/** The tests of the executor `torch`, which `npm test` skips where no PyTorch is found. */
export async function checkTorch(tally: Tally, python: string, workspace: string): Promise<void> {
  if (process.platform !== "linux") {
    return tally.skip("torch: the executor suite", "the executor torch runs on Linux");
  }
  mkdirSync(workspace, { recursive: true });
  const devices = testedExecutors(python).flatMap(({ name, isUsual }) => (isUsual ? [] : [name]));
  const suites: readonly (readonly [string, readonly string[]])[] = [
    [
      `torch: the executor suite, ${devices.join(", ")}`,
      [
        ...[
          "torch-executor",
          "torch-late",
          "torch-loss-scale",
          "torch-memory",
          "torch-schemas",
        ].map(tensorTest),
        tensorTest("cuda-program"),
        "test/src/train/steps-in-flight.test.ts",
        "test/src/infer/infer-esm2.test.ts",
        "test/src/train/out-of-memory.test.ts",
      ],
    ],
    [
      "torch: several processes on the CPU, NCCL's library without a GPU",
      [
        ...["torch-gradient-buckets", "torch-nccl-sums"].map(tensorTest),
        "test/src/distributed/nccl.test.ts",
        "test/src/train/ranks/device-sums.test.ts",
        "test/cli/train-ranks-torch.test.ts",
      ],
    ],
  ];
  for (const [number, [name, files]] of suites.entries()) {
    const output = join(workspace, `report-${number}.json`);
    await tally.check(name, () => runTests(python, files, output));
  }
}

const tensorTest = (name: string) => `test/src/tensor/${name}.test.ts`;

async function runTests(python: string, files: readonly string[], output: string) {
  const vitest = join(REPOSITORY_ROOT, "node_modules", "vitest", "vitest.mjs");
  const libtorch = findLibtorch(environmentOf(python));
  const nccl = join(dirname(dirname(libtorch.directory)), "nvidia/nccl/lib/libnccl.so.2");
  const env = {
    ...process.env,
    LIBTORCH: libtorch.directory,
    SCDL_TORCH_PYTHON: python,
    ...(existsSync(nccl) ? { SCDL_NCCL_LIBRARY: nccl } : {}),
  };
  const { code, stderr } = await runProcess(
    process.execPath,
    [vitest, "run", ...files, "--reporter=json", `--outputFile.json=${output}`],
    { env },
  );
  const report = JSON.parse(readFileSync(output, "utf8")) as Report; // proof: vitest's form
  const failures = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === "failed")
      .map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages.join("\n")}`),
  );
  if (code !== 0) return [...failures, stderr.slice(-500)];
  return `${report.numPassedTests} tests`;
}

interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}
