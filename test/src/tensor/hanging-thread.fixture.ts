/** A thread that hangs in a call of the system, and the process that closes it. */
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";
import { RequestThread, serveRequests } from "../../../src/tensor/request-thread.ts";

if (isMainThread) {
  const thread = new RequestThread<{ kind: "sleep"; seconds: number }, { sleep: null }>(
    new URL(import.meta.url),
    { ended: new Error("ended") },
  );
  await thread.send({ kind: "sleep", seconds: 0 });
  const answer = thread.send({ kind: "sleep", seconds: 40 }).catch((error: Error) => error.message);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await thread.close(new Error("a rank is lost"), 100);
  console.log(await answer);
  process.exitCode = 1;
} else {
  const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
  const sleep = koffi.load(null).func("unsigned int sleep(unsigned int)");
  serveRequests("sleeper", ({ seconds }: { seconds: number }) => {
    sleep(seconds);
    return null;
  });
}
