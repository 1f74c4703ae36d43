/** The thread of a {@link watched} start: sleeps until it is over, or its time. */
import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";
import type { StartWatchData } from "./start-watch.ts";

const { rank, timeoutMs, noticeMs, started }: StartWatchData = workerData;
const STDERR = 2;
const SECOND = 1000;

/** Streams of a thread go through the main thread, which stands still. */
function say(line: string): void {
  try {
    writeSync(STDERR, `rank ${rank}: ${line}\n`);
  } catch {
    // Nobody listens.
  }
}

const first = noticeMs === null ? timeoutMs : Math.min(noticeMs, timeoutMs);
const isLate = (ms: number) => Atomics.wait(started, 0, 0, ms) === "timed-out";
if (isLate(first)) {
  if (first < timeoutMs) say("waiting for the other processes of the job to start MPI");
  if (first >= timeoutMs || isLate(timeoutMs - first)) {
    say(
      `MPI did not start in ${timeoutMs / SECOND} s: a process of the job has not called MPI_Init, or none can reach it [rendezvous-failed]`,
    );
    say(
      "try: look for a process that stands still before it trains; --rank-timeout gives more time",
    );
    process.kill(process.pid, "SIGKILL");
  }
}
