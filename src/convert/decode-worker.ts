/** A decoding thread: takes tasks until none is left, then says so and waits for the next job. */
import { parentPort } from "node:worker_threads";
import { errorToMessage } from "../../formats/common/error-message.ts";
import {
  NEXT_TASK,
  type QueuedTask,
  STOP_AFTER,
  stops,
  type WorkerReply,
  type WorkerRequest,
} from "./decode-messages.ts";
import { type ArrayJob, Decoder } from "./decode-task.ts";

const decoder = new Decoder();

parentPort?.on("message", ({ id, jobs, tasks, counters }: WorkerRequest) => {
  const reply = (message: WorkerReply) => parentPort?.postMessage(message);
  for (;;) {
    const task = Atomics.add(counters, NEXT_TASK, 1);
    if (task >= tasks.length) break;
    if (task >= Atomics.load(counters, STOP_AFTER)) continue;
    const queued = tasks[task] as QueuedTask; // proof: task < tasks.length
    const job = jobs[queued.job] as ArrayJob; // proof: tasks name jobs of their request
    try {
      const result = decoder.run(job, queued.task);
      if (stops(job, result)) stopAfter(counters, task);
      reply({ kind: "task", id, task, result });
    } catch (error) {
      stopAfter(counters, task);
      reply({ kind: "failed", id, task, error: errorToMessage(error, job.path) });
    }
  }
  reply({ kind: "finished", id });
});

/** Tasks behind `task` need not run any more; those before it must, one may fail earlier. */
function stopAfter(counters: Int32Array, task: number): void {
  let current = Atomics.load(counters, STOP_AFTER);
  while (task < current) {
    const seen = Atomics.compareExchange(counters, STOP_AFTER, current, task);
    if (seen === current) return;
    current = seen;
  }
}
