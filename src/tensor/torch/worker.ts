/** The thread that runs libtorch: its functions block whoever calls them. */
import { workerData } from "node:worker_threads";
import { serveRequests } from "../request-thread.ts";
import type { Answer, Request, ThreadSettings } from "./messages.ts";
import { Session } from "./session.ts";

const session = new Session(workerData as ThreadSettings); // proof: the executor starts it so
serveRequests("torch", (request: Request) => session.handle(request), buffersOf);

/** Arrays that are read out are the asker's: they are handed over. */
function buffersOf(answer: Answer): readonly ArrayBuffer[] {
  if (!(answer instanceof Map)) return [];
  const arrays: Iterable<Float32Array<ArrayBuffer>> = answer.values();
  return [...arrays].map(({ buffer }) => buffer);
}
