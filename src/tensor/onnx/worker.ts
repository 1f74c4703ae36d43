/** The thread that runs ONNX Runtime: its `run()` blocks whoever calls it. */
import { parentPort, workerData } from "node:worker_threads";
import { errorToMessage } from "../../../formats/common/error-message.ts";
import type { Envelope, Reply, ThreadSettings } from "./messages.ts";
import { Sessions } from "./sessions.ts";

const sessions = new Sessions(workerData as ThreadSettings); // proof: the executor starts it so
let last: Promise<void> = Promise.resolve();

parentPort?.on("message", ({ id, request }: Envelope) => {
  last = last.then(async () => {
    const reply = (message: Reply) => parentPort?.postMessage(message);
    try {
      reply({ id, answer: await sessions.handle(request) });
    } catch (error) {
      reply({ id, error: errorToMessage(error, "onnx") });
    }
  });
});
