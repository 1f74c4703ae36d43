import { UnsupportedFeatureError } from "../../../../formats/common/errors.ts";
import type { Answers, Request } from "../../device/messages.ts";
import { RequestThread } from "../../request-thread.ts";
import { newThreadTurns } from "../../thread-turns.ts";
import type { WebGpuDescription } from "./messages.ts";

/** ONNX Runtime has one WebGPU device in a process, and its sessions are not safe beside each other. */
const turns = newThreadTurns();

/** A thread that has ONNX Runtime with WebGPU. */
export class WebGpuThread extends RequestThread<Request, Answers<WebGpuDescription>> {
  constructor() {
    const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    const ended = new UnsupportedFeatureError("webgpu", "the thread of WebGPU has ended");
    super(new URL(file, import.meta.url), { ended, endsItself: true, turns });
  }
}
