import { InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aNumber,
  aText,
  checkOptions,
  type OptionKinds,
  oneOf,
} from "../../formats/common/options.ts";
import type { Executor } from "./executor.ts";
import { PRECISIONS, type Precision } from "./torch/precision.ts";

export interface ExecutorOptions {
  /** Threads of one operation. Default: what the machine offers. */
  readonly threads?: number;
  /** Compiled programs kept at a time. Default: 8. */
  readonly cachedPrograms?: number;
  /** Of `onnx`: "cpu" or "webgpu"; of `torch`: "cpu", "cuda" or "cuda:N". Default: "cpu". */
  readonly device?: string;
  /** Of `torch`: folder of the PyTorch to use. Default: the one that `findLibtorch` finds. */
  readonly libtorch?: string;
  /** Of `torch`: products in float32, or in bfloat16 or float16 with float32 weights. Default: "32". */
  readonly precision?: Precision;
  /**
   * Only kernels whose results are the same bit for bit every time. On CUDA dropout masks are then
   * computed, and those of the CPU; a processor computes so anyway; WebGPU cannot. Default: false.
   */
  readonly deterministic?: boolean;
  /** Of `torch` on CUDA, of capability 8 or newer: products of float32 with 10 bits of mantissa. Default: false. */
  readonly tf32?: boolean;
  /** Of `torch`: counts what is allocated, for `takeMemoryUse()`; 1 µs an allocation. Default: false. */
  readonly countMemory?: boolean;
  /** Of `tfjs`: "node-gpu", "node", "wasm" or "cpu". Default: the first of these that is installed. */
  readonly backend?: string;
}

const KINDS: OptionKinds<ExecutorOptions> = {
  threads: aNumber,
  cachedPrograms: aNumber,
  device: aText,
  libtorch: aText,
  precision: oneOf(...PRECISIONS),
  deterministic: aBoolean,
  tf32: aBoolean,
  countMemory: aBoolean,
  backend: aText,
};

/**
 * Options that do not exist or are of another kind; what a device can do, its executor says.
 * @throws InvalidArgumentError
 */
export function checkDeviceOptions(options: Omit<ExecutorOptions, "device">): void {
  const { device: _device, ...kinds } = KINDS;
  checkOptions("openDevice", options, kinds);
}

export const EXECUTORS = ["onnx", "torch", "tfjs", "reference"] as const;
export type ExecutorName = (typeof EXECUTORS)[number];

/**
 * Starts an executor by name: `onnx` (ONNX Runtime on the CPU or by WebGPU), `torch` (libtorch of an installed
 * PyTorch, CPU or CUDA), `tfjs` (TensorFlow.js where it is installed), `reference` (plain loops, for
 * tests).
 *
 * @throws NotFoundError for another name, InvalidArgumentError for an option that does not exist or is of
 *   another kind, UnsupportedFeatureError where its runtime cannot load or cannot do what is asked.
 */
export async function openExecutor(
  name: string = "onnx",
  options: ExecutorOptions = {},
): Promise<Executor> {
  checkOptions("openExecutor", options, KINDS);
  const { device = "cpu" } = options;
  switch (name) {
    case "reference": {
      const { ReferenceExecutor } = await import("./reference/executor.ts");
      if (device !== "cpu") throw unknownDevice(name, device, ["leave it out"]);
      return new ReferenceExecutor(options);
    }
    case "onnx": {
      if (device === "webgpu") {
        const { WebGpuExecutor } = await import("./onnx/webgpu/executor.ts");
        return WebGpuExecutor.open(options);
      }
      if (device !== "cpu") {
        throw unknownDevice(name, device, ["use cpu or webgpu, or the executor torch for cuda"]);
      }
      const { OnnxExecutor } = await import("./onnx/executor.ts");
      return new OnnxExecutor(options);
    }
    case "torch": {
      const { TorchExecutor } = await import("./torch/executor.ts");
      return TorchExecutor.open(options);
    }
    case "tfjs": {
      const { TfjsExecutor } = await import("./tfjs/executor.ts");
      if (device !== "cpu") throw unknownDevice(name, device, ["leave it out: see backend"]);
      return TfjsExecutor.open(options);
    }
    default:
      throw new NotFoundError("executor-unknown", `there is no executor ${name}`, {
        what: name,
        available: EXECUTORS,
        suggestions: ["scdl devices shows which of them can run here"],
      });
  }
}

function unknownDevice(
  executor: string,
  device: string,
  suggestions: string[],
): InvalidArgumentError {
  const message = `${executor}: there is no device ${device}`;
  return new InvalidArgumentError("device", device, message, { suggestions });
}
