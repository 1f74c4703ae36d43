import { NotFoundError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import type { MemoryBound } from "../memory-limit.ts";
import type { FoundLibtorch } from "./find-libtorch.ts";
import { systemLibrary } from "./shared-libraries.ts";

/** A GPU as its driver describes it. */
export interface CudaDevice {
  readonly name: string;
  readonly totalBytes: number;
  /** E.g. [9, 0]. */
  readonly capability: readonly [number, number];
}

/** What the driver says, or why it says nothing. */
export type CudaDriver =
  | { readonly devices: readonly CudaDevice[] }
  | { readonly missing: "no driver" | "no device" };

const CAPABILITY_MAJOR = 75;
const CAPABILITY_MINOR = 76;
const NO_DEVICE = 100;
const NAME_BYTES = 256;

/** Asks libcuda, which the driver brings, without making anything on a device. */
export function askCudaDriver(): CudaDriver {
  const library = systemLibrary("libcuda.so.1");
  if (library === null) return { missing: "no driver" };
  const ask = (name: string, ...types: string[]) => library.func(name, "int", types);
  const started: number = ask("cuInit", "uint")(0);
  if (started !== 0) return { missing: started === NO_DEVICE ? "no device" : "no driver" };
  const number = new Int32Array(1);
  const bytes = new BigUint64Array(1);
  ask("cuDeviceGetCount", "void *")(number);
  const [count = 0] = number;
  const devices = Array.from({ length: count }, (_, index): CudaDevice => {
    ask("cuDeviceGet", "void *", "int")(number, index);
    const [device = 0] = number;
    const name = Buffer.alloc(NAME_BYTES);
    ask("cuDeviceGetName", "void *", "int", "int")(name, NAME_BYTES, device);
    ask("cuDeviceTotalMem_v2", "void *", "int")(bytes, device);
    const attribute = (which: number) => {
      ask("cuDeviceGetAttribute", "void *", "int", "int")(number, which, device);
      return number[0] ?? 0;
    };
    return {
      name: name.toString("utf8", 0, Math.max(0, name.indexOf(0))),
      totalBytes: Number(bytes[0] ?? 0n),
      capability: [attribute(CAPABILITY_MAJOR), attribute(CAPABILITY_MINOR)],
    };
  });
  return devices.length === 0 ? { missing: "no device" } : { devices };
}

/**
 * @throws UnsupportedFeatureError for a build without CUDA and where there is no driver, NotFoundError
 *   for a device that is not there
 */
export function requireCuda(
  { cuda, version, directory }: FoundLibtorch,
  index: number,
  driver: () => CudaDriver = askCudaDriver,
): CudaDevice {
  if (!cuda) {
    const message = `${directory}: PyTorch ${version} is a build without CUDA`;
    throw new UnsupportedFeatureError("cuda", message, {
      suggestions: ["install one built for CUDA: pip install torch", "use --device torch-cpu"],
    });
  }
  const found = driver();
  if ("missing" in found) {
    const why =
      found.missing === "no driver"
        ? "the NVIDIA driver is not installed or does not start"
        : "the driver finds no GPU";
    throw new UnsupportedFeatureError("cuda", `PyTorch ${version} is built for CUDA, but ${why}`, {
      suggestions: ["see what nvidia-smi says", "use --device torch-cpu or --device cpu"],
    });
  }
  const device = found.devices[index];
  if (device !== undefined) return device;
  throw new NotFoundError("device-missing", `there is no device cuda:${index}`, {
    what: `cuda:${index}`,
    available: found.devices.map((_, at) => `cuda:${at}`),
  });
}

/** All of a GPU's. @param device as it was asked for, `cuda:1` */
export function cudaMemory(device: string, { name, totalBytes }: CudaDevice): MemoryBound {
  return { bytes: totalBytes, owner: `${device} (${name})` };
}

/** Bytes that the GPU of this thread has left, of all processes; null where the driver does not say. */
export function freeCudaBytes(): number | null {
  const bytes = new BigUint64Array(2);
  const ask = systemLibrary("libcuda.so.1")?.func("cuMemGetInfo_v2", "int", ["void *", "void *"]);
  const status: unknown = ask?.(bytes.subarray(0, 1), bytes.subarray(1));
  return status === 0 ? Number(bytes[0] ?? 0n) : null;
}
