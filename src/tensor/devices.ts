import { availableParallelism, cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import { ScdlError } from "../../formats/common/errors.ts";
import { TFJS_BACKENDS, type TfjsBackend } from "./tfjs/backends.ts";
import { askCudaDriver, type CudaDevice, requireCuda } from "./torch/cuda-driver.ts";
import { type FoundLibtorch, findLibtorch } from "./torch/find-libtorch.ts";
import type { Precision } from "./torch/precision.ts";

/** A device that programs can run on, or why they cannot. */
export interface DeviceReport {
  /** As `openDevice()` and `--device` take it; "cuda" alone where no GPU is to be had. */
  readonly device: string;
  readonly executor: "onnx" | "torch" | "tfjs";
  /** Of the executor's runtime; null where none was found. */
  readonly version: string | null;
  /** Where it was found; null for one that comes with this package. */
  readonly source: string | null;
  /** What the device is, e.g. the name of a GPU. */
  readonly description: string | null;
  readonly memoryBytes: number | null;
  /** What it computes products in. */
  readonly precisions: readonly Precision[];
  /** Why it cannot be used, or null. */
  readonly problem: string | null;
  /** What to do about the problem. */
  readonly suggestions: readonly string[];
}

export interface ListDevicesOptions {
  /** Folder of the PyTorch to ask. Default: the one that is found. */
  readonly libtorch?: string | undefined;
}

const CPU_MODEL = cpus()[0]?.model.trim() ?? "CPU";

/** Every device, usable or not, after trying to load what runs it. */
export async function listDevices(options: ListDevicesOptions = {}): Promise<DeviceReport[]> {
  const others = Promise.all([webGpuReport(), ...TFJS_BACKENDS.map(tfjsReport)]);
  const reports = [await onnxReport(), ...(await torchReports(options.libtorch))];
  return [...reports, ...(await others).filter((report) => report !== null)];
}

async function torchReports(given: string | undefined): Promise<DeviceReport[]> {
  let libtorch: FoundLibtorch;
  try {
    libtorch = findLibtorch(given);
  } catch (error) {
    return ["torch-cpu", "cuda"].map((name) => unusable(name, "torch", null, error));
  }
  const torch = await torchReport(libtorch);
  if (torch.problem !== null) return [torch, { ...torch, device: "cuda" }];
  return [torch, ...cudaReports(libtorch)];
}

async function webGpuReport(): Promise<DeviceReport> {
  const { requireGpu } = await import("./onnx/webgpu/require-gpu.ts");
  const { VERSION } = await import("./onnx/runtime.ts");
  try {
    await requireGpu();
  } catch (error) {
    return unusable("webgpu", "onnx", null, error);
  }
  const precisions = ["32"] as const;
  return { ...NOTHING, device: "webgpu", executor: "onnx", version: VERSION, precisions };
}

/** null where the backend is not installed: TensorFlow.js is for those who have it. */
async function tfjsReport(backend: TfjsBackend): Promise<DeviceReport | null> {
  const { findBackend } = await import("./tfjs/backends.ts");
  const device = `tfjs:${backend}`;
  let source: string;
  try {
    source = dirname(findBackend(backend).file);
  } catch {
    return null;
  }
  const { TfjsExecutor } = await import("./tfjs/executor.ts");
  try {
    await using executor = await TfjsExecutor.open({ backend });
    const { version } = await executor.describe();
    const known = { ...NOTHING, device, executor: "tfjs", version, source } as const;
    return { ...known, ...processor(), precisions: ["32"] };
  } catch (error) {
    return { ...unusable(device, "tfjs", null, error), source };
  }
}

async function onnxReport(): Promise<DeviceReport> {
  const { loadRuntime, VERSION } = await import("./onnx/runtime.ts");
  try {
    await loadRuntime();
  } catch (error) {
    return unusable("cpu", "onnx", null, error);
  }
  const known = { ...NOTHING, device: "cpu", executor: "onnx", version: VERSION } as const;
  return { ...known, ...processor(), precisions: ["32"] };
}

/** libtorch is loaded in the thread of an executor, which then ends. */
async function torchReport(libtorch: FoundLibtorch): Promise<DeviceReport> {
  const { TorchExecutor } = await import("./torch/executor.ts");
  try {
    await using _loaded = await TorchExecutor.open({ libtorch: libtorch.directory });
  } catch (error) {
    return unusable("torch-cpu", "torch", libtorch, error);
  }
  const precisions = ["32", "bf16-mixed", "16-mixed"] as const;
  return { ...ofTorch("torch-cpu", libtorch), ...processor(), precisions };
}

function cudaReports(libtorch: FoundLibtorch): DeviceReport[] {
  try {
    requireCuda(libtorch, 0);
  } catch (error) {
    return [unusable("cuda", "torch", libtorch, error)];
  }
  const driver = askCudaDriver();
  const devices = "devices" in driver ? driver.devices : [];
  return devices.map((device, index) => ({
    ...ofTorch(`cuda:${index}`, libtorch),
    description: `${device.name}, compute capability ${device.capability.join(".")}`,
    memoryBytes: device.totalBytes,
    precisions: precisionsOf(device),
  }));
}

/** bfloat16 came with compute capability 8. */
function precisionsOf({ capability: [major] }: CudaDevice): readonly Precision[] {
  return major >= 8 ? ["32", "bf16-mixed", "16-mixed"] : ["32", "16-mixed"];
}

const NOTHING = {
  version: null,
  source: null,
  description: null,
  memoryBytes: null,
  precisions: [],
  problem: null,
  suggestions: [],
} as const;

function ofTorch(device: string, { version, directory }: FoundLibtorch): DeviceReport {
  return { ...NOTHING, device, executor: "torch", version, source: directory };
}

function processor() {
  const description = `${CPU_MODEL}, ${availableParallelism()} threads`;
  return { description, memoryBytes: totalmem() };
}

function unusable(
  device: string,
  executor: DeviceReport["executor"],
  libtorch: FoundLibtorch | null,
  error: unknown,
): DeviceReport {
  const problem = error instanceof Error ? error.message : String(error);
  const suggestions = error instanceof ScdlError ? error.suggestions : [];
  const found = { version: libtorch?.version ?? null, source: libtorch?.directory ?? null };
  return { ...NOTHING, ...found, device, executor, problem, suggestions };
}
