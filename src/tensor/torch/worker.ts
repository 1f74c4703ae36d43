/** The thread that runs libtorch: its functions block whoever calls them. */
import { workerData } from "node:worker_threads";
import type { Request } from "../device/messages.ts";
import { DeviceSession, movedBuffers } from "../device/session.ts";
import { serveRequests } from "../request-thread.ts";
import type { ThreadSettings } from "./messages.ts";
import { TorchRuntime } from "./torch-runtime.ts";

const settings = workerData as ThreadSettings; // proof: the executor starts it so
const session = new DeviceSession(() => new TorchRuntime(settings));
serveRequests("torch", (request: Request) => session.handle(request), movedBuffers);
