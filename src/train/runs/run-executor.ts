import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";
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
 * @throws what `openDevice()` throws, UnsupportedFeatureError for a precision that `cpu` has not
 */
export async function openRunExecutor(
  options: RunDeviceOptions,
  more: Pick<ExecutorOptions, "cachedPrograms"> = {},
): Promise<Executor> {
  const { device = "cpu", precision = "32", libtorch, executor, threads } = options;
  const given: ExecutorOptions = {
    ...more,
    precision,
    ...(threads === undefined ? {} : { threads }),
    ...(libtorch === undefined ? {} : { libtorch }),
  };
  if (device !== "cpu") return openDevice(device, given);
  if (precision !== "32" && executor !== "torch") {
    throw new UnsupportedFeatureError(
      "precision",
      `device cpu computes float32, not ${precision}`,
      {
        suggestions: ["--device torch-cpu or cuda, see scdl devices", "--precision 32"],
      },
    );
  }
  return openExecutor(executor, given);
}
