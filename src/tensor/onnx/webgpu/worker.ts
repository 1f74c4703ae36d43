/** The thread that runs ONNX Runtime on WebGPU: its `run()` blocks whoever calls it. */
import type { Request } from "../../device/messages.ts";
import { DeviceSession, movedBuffers } from "../../device/session.ts";
import { serveRequests } from "../../request-thread.ts";
import { WebGpuRuntime } from "./webgpu-runtime.ts";

const session = new DeviceSession(() => WebGpuRuntime.open());
serveRequests("webgpu", (request: Request) => session.handle(request), movedBuffers);
