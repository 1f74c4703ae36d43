import { InvalidArgumentError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import { loadNccl } from "../../distributed/nccl/nccl.ts";
import { DeviceExecutor, opened } from "../device/executor.ts";
import type { GradientMemory } from "../device/sums/gradient-sums.ts";
import type { MemoryUse } from "../executor.ts";
import { type ExecutorSettings, executorSettings } from "../executor-settings.ts";
import type { MemoryBound } from "../memory-limit.ts";
import type { ExecutorOptions } from "../open-executor.ts";
import { assertThreads } from "../threads.ts";
import { type CudaDevice, cudaMemory, requireCuda } from "./cuda-driver.ts";
import { type FoundLibtorch, findLibtorch } from "./find-libtorch.ts";
import type { ThreadSettings, TorchDescription } from "./messages.ts";
import { withOneLibtorch } from "./one-libtorch.ts";
import { TorchThread } from "./thread.ts";

/**
 * The libtorch of a PyTorch that is installed, in a thread of its own: programs run operation by
 * operation on its kernels, on the CPU or on a GPU. Weights, gradients and moments stay on the device.
 */
export class TorchExecutor extends DeviceExecutor<TorchDescription> {
  readonly name = "torch";
  /** On a GPU one that it computes, one that its thread asks for, and one that waits for the thread. */
  readonly stepsInFlight: number;
  /** What was found and is used. */
  readonly libtorch: FoundLibtorch;
  override readonly gradientMemory: GradientMemory | null;
  readonly deviceMemory?: MemoryBound;

  private constructor(
    thread: TorchThread,
    { libtorch, device, index }: ThreadSettings,
    settings: ExecutorSettings,
    { cachedPrograms, gpu }: { readonly cachedPrograms: number; readonly gpu: CudaDevice | null },
  ) {
    super(thread, settings, cachedPrograms);
    if (gpu !== null) this.deviceMemory = cudaMemory(`cuda:${index}`, gpu);
    this.libtorch = libtorch;
    this.stepsInFlight = device === "cuda" ? 3 : 2;
    const nccl = () => loadNccl({ libtorch: libtorch.directory });
    this.gradientMemory = device === "cpu" ? { kind: "host" } : { kind: "cuda", nccl };
  }

  /**
   * Finds libtorch, starts the thread and loads the library in it.
   *
   * @throws NotFoundError where there is no libtorch or no such device, IncompatibleError for a
   *   version that is too old or has other operators, or where the process has another libtorch,
   *   UnsupportedFeatureError where it cannot run
   */
  static async open(options: ExecutorOptions = {}): Promise<TorchExecutor> {
    const { cachedPrograms = 8, threads, countMemory = false } = options;
    if (threads !== undefined) assertThreads(threads);
    if (!(Number.isSafeInteger(cachedPrograms) && cachedPrograms >= 1)) {
      const message = `cachedPrograms: expected a whole number of at least 1, found ${cachedPrograms}`;
      throw new InvalidArgumentError("cachedPrograms", cachedPrograms, message);
    }
    const { device, index } = parseDevice(options.device ?? "cpu");
    const settings = executorSettings(device === "cuda" ? device : "torch-cpu", options);
    const { precision, deterministic, tf32 } = settings;
    const libtorch = findLibtorch(options.libtorch);
    const gpu = device === "cuda" ? requireCuda(libtorch, index) : null;
    const hasFlash = (gpu?.capability[0] ?? 0) >= 8;
    if (tf32 && !hasFlash) throw withoutTf32(gpu?.name ?? device);
    const switches = { deterministic, tf32, countMemory, hasFlash, threads: threads ?? null };
    const started = { ...switches, device, index, precision, libtorch };
    const thread = await withOneLibtorch(libtorch.directory, async () => {
      const starting = new TorchThread(started);
      await opened(starting);
      return starting;
    });
    return new TorchExecutor(thread, started, settings, { cachedPrograms, gpu });
  }

  takeMemoryUse(): Promise<MemoryUse | null> {
    return this.thread.send<"memory">({ kind: "memory" });
  }
}

function withoutTf32(gpu: string): UnsupportedFeatureError {
  const message = `${gpu} has no TF32: compute capability 8 or newer has it`;
  return new UnsupportedFeatureError("tf32", message, { suggestions: ["leave tf32 out"] });
}

/** `cpu`, `cuda` or `cuda:N`. @throws InvalidArgumentError */
export function parseDevice(name: string): { device: "cpu" | "cuda"; index: number } {
  const [, device, index = "0"] = /^(cpu|cuda)(?::(\d{1,4}))?$/.exec(name) ?? [];
  if (device === "cpu" && index === "0") return { device, index: 0 };
  if (device === "cuda") return { device, index: Number(index) };
  throw new InvalidArgumentError("device", name, `device ${name}: expected cpu, cuda or cuda:N`);
}
