/** A process that exits while its thread is in a call, of a library that would end the process for that. */
import { writeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { RequestThread, serveRequests } from "../../../src/tensor/request-thread.ts";

const CALL_MS = 200;

if (isMainThread) {
  const thread = new RequestThread<{ kind: "ask"; counts: Int32Array }, { ask: null }>(
    new URL(import.meta.url),
    { ended: new Error("ended"), endsItself: true },
  );
  const counts = new Int32Array(new SharedArrayBuffer(8));
  process.once("exit", () => writeSync(1, `${counts.join(" ")}\n`));
  for (let i = 0; i < 20; i++) void thread.send({ kind: "ask", counts });
  while (Atomics.load(counts, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  process.exit(3);
} else {
  serveRequests("answers", ({ counts }: { counts: Int32Array }) => {
    Atomics.add(counts, 0, 1);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, CALL_MS);
    Atomics.add(counts, 1, 1);
    return null;
  });
}
