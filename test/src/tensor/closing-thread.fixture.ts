/** A thread that is closed while it answers. */
import { isMainThread } from "node:worker_threads";
import { RequestThread, serveRequests } from "../../../src/tensor/request-thread.ts";

if (isMainThread) {
  for (let round = 0; round < 3; round++) {
    const thread = new RequestThread<{ kind: "ask" }, { ask: null }>(
      new URL(import.meta.url),
      null,
      new Error("ended"),
    );
    await thread.send({ kind: "ask" });
    const answers = Array.from({ length: 50 }, () => thread.send({ kind: "ask" }));
    const settled = Promise.allSettled(answers);
    await answers[0];
    await thread.close(new Error("closed"));
    await settled;
  }
  console.log("done");
} else serveRequests("answers", () => null);
