/** The thread that runs ONNX Runtime: its `run()` blocks whoever calls it. */
import { serveRequests, threadSettings } from "../request-thread.ts";
import type { Request, ThreadSettings } from "./messages.ts";
import { Sessions } from "./sessions.ts";

const sessions = new Sessions(threadSettings<ThreadSettings>());
serveRequests("onnx", (request: Request) => sessions.handle(request));
