/** The thread of libtorch, whose device is a {@link LateQueue}. */
import type { Request } from "../../../src/tensor/device/messages.ts";
import { DeviceSession, movedBuffers } from "../../../src/tensor/device/session.ts";
import { serveRequests, threadSettings } from "../../../src/tensor/request-thread.ts";
import type { ThreadSettings } from "../../../src/tensor/torch/messages.ts";
import { TorchRuntime } from "../../../src/tensor/torch/torch-runtime.ts";
import { LateQueue } from "./late-queue.fixture.ts";

const settings = threadSettings<ThreadSettings>();
const session = new DeviceSession(() => new TorchRuntime(settings, undefined, new LateQueue()));
serveRequests("torch", (request: Request) => session.handle(request), movedBuffers);
