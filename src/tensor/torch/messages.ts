import type { Description } from "../device/messages.ts";
import type { FoundLibtorch } from "./find-libtorch.ts";
import type { Precision } from "./precision.ts";

/** What the thread has loaded. */
export interface TorchDescription extends Description {
  /** Of libtorch's C interface, e.g. "2.11". */
  readonly interfaceVersion: string;
  /** How often the thread has waited for the device until now. Steps of a training add none. */
  readonly waits: number;
  /** Milliseconds that it took to ask the device for runs and updates; on the CPU, to compute them. */
  readonly askedMs: number;
}

/** Given to the thread when it starts. */
export interface ThreadSettings {
  readonly libtorch: FoundLibtorch;
  readonly device: "cpu" | "cuda";
  readonly index: number;
  readonly precision: Precision;
  readonly deterministic: boolean;
  readonly tf32: boolean;
  readonly countMemory: boolean;
  /** Whether the GPU has the flash kernels: from compute capability 8 on. */
  readonly hasFlash: boolean;
  /** Threads of one operation on the CPU; null for libtorch's own choice. */
  readonly threads: number | null;
}
