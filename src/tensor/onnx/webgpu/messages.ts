import type { Description } from "../../device/messages.ts";

export interface WebGpuDescription extends Description {
  /** Of ONNX Runtime. */
  readonly version: string;
}
