/** The thread that runs libtorch: its functions block whoever calls them. */
import type { Request } from "../device/messages.ts";
import { DeviceSession, movedBuffers } from "../device/session.ts";
import { serveRequests, threadSettings } from "../request-thread.ts";
import type { ThreadSettings } from "./messages.ts";
import { TorchRuntime } from "./torch-runtime.ts";

const settings = threadSettings<ThreadSettings>();
const session = new DeviceSession(() => new TorchRuntime(settings));
serveRequests("torch", (request: Request) => session.handle(request), movedBuffers);
