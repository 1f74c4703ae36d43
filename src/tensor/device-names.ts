import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { Executor } from "./executor.ts";
import {
  checkDeviceOptions,
  type ExecutorName,
  type ExecutorOptions,
  openExecutor,
} from "./open-executor.ts";
import { requireBackend } from "./tfjs/backends.ts";

/** What a device is called where one is chosen, e.g. by `--device`. */
export const DEVICE_NAMES = [
  ...(["cpu", "torch-cpu", "cuda", "cuda:N", "webgpu"] as const),
  ...(["tfjs", "tfjs:BACKEND"] as const),
] as const;

/**
 * The executor that a device's name stands for: `cpu` (ONNX Runtime), `torch-cpu` (libtorch), `cuda` and
 * `cuda:N` (libtorch on a GPU), `webgpu` (ONNX Runtime on a GPU), `tfjs` and `tfjs:BACKEND`
 * (TensorFlow.js).
 *
 * @throws InvalidArgumentError for another name
 */
export function executorOfDevice(name: string): {
  readonly executor: ExecutorName;
  readonly device: string;
  /** Of TensorFlow.js. */
  readonly backend?: string;
} {
  if (name === "cpu") return { executor: "onnx", device: "cpu" };
  if (name === "torch-cpu") return { executor: "torch", device: "cpu" };
  if (name === "webgpu") return { executor: "onnx", device: "webgpu" };
  if (name === "tfjs") return { executor: "tfjs", device: "cpu" };
  if (name.startsWith("tfjs:")) {
    return { executor: "tfjs", device: "cpu", backend: requireBackend(name.slice(5)) };
  }
  if (/^cuda(:\d{1,4})?$/.test(name)) return { executor: "torch", device: name };
  throw new InvalidArgumentError("device", name, `device ${name}: there is no such`, {
    suggestions: [`use one of ${DEVICE_NAMES.join(", ")}`, "see what is there: scdl devices"],
  });
}

/**
 * Starts the executor of a device. `libtorch` counts for libtorch alone, and `threads` where the number of
 * threads can be chosen: one set of options may serve several devices.
 *
 * @throws as {@link executorOfDevice} and `openExecutor`
 */
export async function openDevice(
  name: string,
  options: Omit<ExecutorOptions, "device"> = {},
): Promise<Executor> {
  const { executor, ...device } = executorOfDevice(name);
  checkDeviceOptions(options);
  const { backend } = options;
  if (backend !== undefined && device.backend !== undefined && backend !== device.backend) {
    const message = `device ${name}, but the option backend is ${backend}`;
    throw new InvalidArgumentError("backend", backend, message, {
      suggestions: ["give one of them"],
    });
  }
  return openExecutor(executor, { ...options, ...device });
}
