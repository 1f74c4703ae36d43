import { DeviceExecutor, opened } from "../../device/executor.ts";
import { executorSettings } from "../../executor-settings.ts";
import type { ExecutorOptions } from "../../open-executor.ts";
import type { WebGpuDescription } from "./messages.ts";
import { requireGpu } from "./require-gpu.ts";
import { WebGpuThread } from "./thread.ts";

/**
 * ONNX Runtime on a GPU by WebGPU, in a thread of its own. A program becomes one graph of operators that
 * all run there; weights, gradients and moments stay in the GPU's memory.
 */
export class WebGpuExecutor extends DeviceExecutor<WebGpuDescription> {
  readonly name = "onnx";
  /** One that the GPU computes, one that waits for it. */
  readonly runsInFlight = 2;

  /** @throws UnsupportedFeatureError where there is no GPU that WebGPU can use, or it cannot do what is asked */
  static async open(options: ExecutorOptions = {}): Promise<WebGpuExecutor> {
    const settings = executorSettings("webgpu", options);
    await requireGpu();
    const thread = new WebGpuThread();
    await opened(thread);
    return new WebGpuExecutor(thread, settings, options.cachedPrograms);
  }
}
