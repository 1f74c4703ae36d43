/** The thread that runs TensorFlow.js: most of its backends block whoever calls them. */
import type { Request } from "../device/messages.ts";
import { DeviceSession, movedBuffers } from "../device/session.ts";
import { serveRequests, threadSettings } from "../request-thread.ts";
import { loadTensorFlow } from "./load.ts";
import type { TfjsSettings } from "./messages.ts";
import { TfjsRuntime } from "./tfjs-runtime.ts";

const { backend } = threadSettings<TfjsSettings>();
const session = new DeviceSession(async () => new TfjsRuntime(await loadTensorFlow(backend)));
serveRequests("tfjs", (request: Request) => session.handle(request), movedBuffers);
