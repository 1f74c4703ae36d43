/** Threads that are closed while they answer: one is ended where it is, one ends itself. */
import { isMainThread } from "node:worker_threads";
import { RequestThread, serveRequests } from "../../../src/tensor/request-thread.ts";

const CALL_MS = 100;

/** Asks 50 times, closes at the first answer; how many were answered by the thread before it ended. */
async function answered(endsItself: boolean): Promise<number> {
  const thread = new RequestThread<{ kind: "ask"; counts: Int32Array }, { ask: null }>(
    new URL(import.meta.url),
    { ended: new Error("ended"), endsItself },
  );
  const counts = new Int32Array(new SharedArrayBuffer(8));
  const answers = Array.from({ length: 50 }, () => thread.send({ kind: "ask", counts }));
  const settled = Promise.allSettled(answers);
  await answers[0];
  while (Atomics.load(counts, 0) === Atomics.load(counts, 1)) await Promise.resolve();
  await thread.close(new Error("closed"));
  await settled;
  const [begun = 0, done = 0] = counts;
  if (endsItself && begun !== done) throw new Error("the thread was ended in its work");
  return begun;
}

if (isMainThread) {
  const counts = [];
  for (const endsItself of [false, true, false, true]) counts.push(await answered(endsItself));
  console.log(counts.every((begun) => begun < 10) ? "done" : counts.join());
} else {
  serveRequests("answers", ({ counts }: { counts: Int32Array }) => {
    Atomics.add(counts, 0, 1);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, CALL_MS);
    Atomics.add(counts, 1, 1);
    return null;
  });
}
