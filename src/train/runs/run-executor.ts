import { type ProcessPlace, processPlace } from "../../distributed/environment.ts";
import { threadsOfRank } from "../../distributed/threads.ts";
import {
  type Executor,
  type ExecutorOptions,
  openDevice,
  openExecutor,
  type Precision,
} from "../../tensor/index.ts";

/** What a run computes on. */
export interface RunDeviceOptions {
  /** "cpu", "torch-cpu", "cuda", "cuda:N", "webgpu" or "tfjs", see `openDevice()`. Default "cpu". */
  readonly device?: string;
  /** Of products: "32", "bf16-mixed" or "16-mixed", the last two of libtorch. Default "32". */
  readonly precision?: Precision;
  /** The same bits every time, on a GPU, too: see `ExecutorOptions`. Default false. */
  readonly deterministic?: boolean;
  /** On a GPU factors of float32 products with 10 bits of mantissa. Default false. */
  readonly tf32?: boolean;
  /** Folder of the PyTorch whose libtorch runs. Default: the one that is found. */
  readonly libtorch?: string;
  /** On "cpu" the executor by its name. Default "onnx". */
  readonly executor?: string;
  /** Threads of the executor. Default: what the machine offers. */
  readonly threads?: number;
}

/** What one of several processes of a machine takes of it: its part of the threads, a GPU of its own. */
export function ofRank<T extends RunDeviceOptions>(
  options: T,
  place: Pick<ProcessPlace, "localRank" | "localWorldSize"> = processPlace(),
): T {
  const { device, threads = threadsOfRank(place) } = options;
  return device === "cuda"
    ? { ...options, threads, device: `cuda:${place.localRank}` }
    : { ...options, threads };
}

/**
 * @param more what the run itself wants of it
 * @throws what `openDevice()` throws
 */
export async function openRunExecutor(
  options: RunDeviceOptions,
  more: Pick<ExecutorOptions, "cachedPrograms"> = {},
): Promise<Executor> {
  const { device = "cpu", precision = "32", libtorch, executor, threads } = options;
  const { deterministic = false, tf32 = false } = options;
  const given: ExecutorOptions = {
    ...more,
    ...{ precision, deterministic, tf32 },
    ...(threads === undefined ? {} : { threads }),
    ...(libtorch === undefined ? {} : { libtorch }),
  };
  if (device !== "cpu") return openDevice(device, given);
  return openExecutor(executor, given);
}
