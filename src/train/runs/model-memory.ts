/** Whether a model can be in memory at all, before any of it is made. */
import { ScdlError } from "../../../formats/common/errors.ts";
import type { ParameterSpec } from "../../models/model.ts";
import { type MemoryBound, processMemory } from "../../tensor/memory-limit.ts";
import { askCudaDriver, type CudaDevice } from "../../tensor/torch/cuda-driver.ts";
import { memoryText } from "../smaller.ts";
import type { RunDeviceOptions } from "./run-executor.ts";

/** What is kept of a model while it runs. */
export interface ModelUse {
  readonly parameters: readonly ParameterSpec[];
  /** False for inference, which has values alone. */
  readonly trains: boolean;
  /** Processes among which the moments are divided; 1 where each has all. */
  readonly sharers: number;
}

/** What holds a model. */
export interface ModelPlace {
  readonly host: MemoryBound;
  /** The host's where the device computes in it; null where nobody says how much it has. */
  readonly device: MemoryBound | null;
}

const FLOAT_BYTES = 4;
/** More processes than anybody is sent to. */
const MOST_SHARERS = 1024;

/** Devices whose memory is the host's; others may have their own. */
const IN_HOST = /^(cpu|torch-cpu|reference|tfjs:(cpu|wasm|node))$/;

/** The memory behind a device of {@link RunDeviceOptions}. */
export function placeOf(
  { device = "cpu" }: Pick<RunDeviceOptions, "device">,
  cuda: () => readonly CudaDevice[] = cudaDevices,
): ModelPlace {
  const host = processMemory();
  const found = /^cuda(?::(\d{1,4}))?$/.exec(device);
  if (found === null) return { host, device: IN_HOST.test(device) ? host : null };
  // One that is not there is told when it is opened.
  const gpu = cuda()[Number(found[1] ?? 0)];
  if (gpu === undefined) return { host, device: null };
  return { host, device: { bytes: gpu.totalBytes, owner: `${device} (${gpu.name})` } };
}

/**
 * Values, and in training gradients and two moments of what is trained, in float32: systems hand out
 * more memory than there is, so that nobody would be told of it in time. What is let through may still
 * be too large, with all that steps need.
 *
 * @throws ScdlError "out-of-memory"
 */
export function requireModelMemory(use: ModelUse, { host, device }: ModelPlace): void {
  const bytes = bytesOf(use);
  if (device !== null && bytes.all > device.bytes) throw tooLarge(use, bytes.all, device);
  // Initial values, and those of a checkpoint, are made or read on the host.
  if (bytes.values > host.bytes) throw tooLarge({ ...use, trains: false }, bytes.values, host);
}

function bytesOf({ parameters, trains, sharers }: ModelUse) {
  let [values, trained] = [0, 0];
  for (const parameter of parameters) {
    const bytes = FLOAT_BYTES * parameter.shape.reduce((product, size) => product * size, 1);
    values += bytes;
    if (trains && parameter.trained) trained += bytes;
  }
  const moments = (2 * trained) / sharers;
  return { values, trained, all: values + trained + moments };
}

function tooLarge(use: ModelUse, bytes: number, bound: MemoryBound): ScdlError {
  const count = bytesOf({ ...use, trains: false }).values / FLOAT_BYTES;
  const what = use.trains ? "weights, gradients and moments" : "the weights";
  const message =
    `out of memory: ${what} of ${count.toLocaleString("en")} parameters take at least ` +
    `${memoryText(bytes)}, ${bound.owner} has ${memoryText(bound.bytes)}`;
  return new ScdlError("out-of-memory", message, {
    suggestions: ["a smaller model, or a device with more memory", ...sharing(use, bound)],
  });
}

/** Only where it helps: every process has all values and gradients. */
function sharing(use: ModelUse, { bytes }: MemoryBound): readonly string[] {
  if (!use.trains) return [];
  const { values, trained } = bytesOf(use);
  const sharers = Math.ceil((2 * trained) / (bytes - values - trained));
  if (!(sharers > use.sharers && sharers <= MOST_SHARERS)) return [];
  return [`or ${sharers} processes or more, each with as much memory, and --shard-optimizer`];
}

function cudaDevices(): readonly CudaDevice[] {
  try {
    const driver = askCudaDriver();
    return "devices" in driver ? driver.devices : [];
  } catch {
    return [];
  }
}
