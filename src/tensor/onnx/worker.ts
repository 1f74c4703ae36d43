/** The thread that runs ONNX Runtime: its `run()` blocks whoever calls it. */
import { workerData } from "node:worker_threads";
import { serveRequests } from "../request-thread.ts";
import type { Request, ThreadSettings } from "./messages.ts";
import { Sessions } from "./sessions.ts";

const sessions = new Sessions(workerData as ThreadSettings); // proof: the executor starts it so
serveRequests("onnx", (request: Request) => sessions.handle(request));
