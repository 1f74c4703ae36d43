/** Whether a model can be in memory at all, before any of it is made. */
import { ScdlError } from "../../../formats/common/errors.ts";
import type { ParameterSpec } from "../../models/model.ts";
import { type MemoryBound, processMemory, shareOf } from "../../tensor/memory-limit.ts";
import { askCudaDriver, type CudaDevice, cudaMemory } from "../../tensor/torch/cuda-driver.ts";
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

/**
 * The memory behind a device of {@link RunDeviceOptions}.
 * @param processes that train together on this machine: its memory is for all of them
 */
export function placeOf(
  { device = "cpu" }: Pick<RunDeviceOptions, "device">,
  processes = 1,
  cuda: () => readonly CudaDevice[] = cudaDevices,
): ModelPlace {
  if (IN_HOST.test(device)) {
    const host = processMemory(processes);
    return { host, device: host };
  }
  const host = processMemory();
  const found = /^cuda(?::(\d{1,4}))?$/.exec(device);
  // One that is not there is told when it is opened.
  const gpu = found === null ? undefined : cuda()[Number(found[1] ?? 0)];
  return { host, device: gpu === undefined ? null : cudaMemory(device, gpu) };
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
  if (device !== null && bytes.all > shareOf(device)) throw tooLarge(use, bytes.all, device);
  // Initial values, and those of a checkpoint, are made or read on the host.
  if (bytes.values > shareOf(host)) throw tooLarge({ ...use, trains: false }, bytes.values, host);
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
  const { processes = 1 } = bound;
  const count = bytesOf({ ...use, trains: false }).values / FLOAT_BYTES;
  const what = use.trains ? "weights, gradients and moments" : "the weights";
  const together = ` in each of ${processes} processes here, ${memoryText(processes * bytes)} together`;
  const message =
    `out of memory: ${what} of ${count.toLocaleString("en")} parameters take at least ` +
    `${memoryText(bytes)}${processes > 1 ? together : ""}, ${bound.owner} has ${memoryText(bound.bytes)}`;
  return new ScdlError("out-of-memory", message, {
    suggestions: [
      "a smaller model, or a device with more memory",
      ...fewer(bytes, bound),
      ...sharing(use, bound),
    ],
  });
}

function fewer(bytes: number, bound: MemoryBound): readonly string[] {
  const { processes = 1 } = bound;
  const most = Math.floor(bound.bytes / bytes);
  if (processes === 1 || most === 0) return [];
  const each = most === 1 ? "one process" : `at most ${most} processes`;
  return [`${each} on a machine like this one: each has all of the model`];
}

/** Only where it helps: every process has all values and gradients. */
function sharing(use: ModelUse, bound: MemoryBound): readonly string[] {
  if (!use.trains) return [];
  const { processes = 1 } = bound;
  const { values, trained } = bytesOf(use);
  const sharers = Math.ceil((2 * trained) / (shareOf(bound) - values - trained));
  if (!(sharers > use.sharers && sharers <= MOST_SHARERS)) return [];
  if (sharers <= processes) return ["or --shard-optimizer, with as many processes as now"];
  const where =
    processes === 1 ? "each with as much memory" : `${processes} on each machine like this one`;
  return [`or ${sharers} processes or more, ${where}, and --shard-optimizer`];
}

function cudaDevices(): readonly CudaDevice[] {
  try {
    const driver = askCudaDriver();
    return "devices" in driver ? driver.devices : [];
  } catch {
    return [];
  }
}
