import { Worker } from "node:worker_threads";
import { errorFromMessage } from "../../formats/common/error-message.ts";
import { StorageError } from "../../formats/common/errors.ts";
import {
  type QueuedTask,
  STOP_AFTER,
  stops,
  type WorkerReply,
  type WorkerRequest,
} from "./decode-messages.ts";
import { type ArrayJob, Decoder, type TaskResult } from "./decode-task.ts";

export interface PoolOptions {
  /** Threads; 0 runs the tasks in the caller's thread, between turns of the event loop. */
  readonly workers: number;
  readonly signal?: AbortSignal | undefined;
  readonly onTask?: (result: TaskResult) => void;
}

/**
 * Runs the tasks of array jobs on worker threads that take the next task themselves, so that a
 * busy main thread never starves them. Results do not depend on the number of threads.
 */
export class DecodePool {
  readonly #options: PoolOptions;
  readonly #workers: Worker[] = [];
  readonly #jobs: PendingJob[] = [];
  #inline: Decoder | null = null;
  #failure: Error | null = null;

  constructor(options: PoolOptions) {
    this.#options = options;
    for (let i = 0; i < options.workers; i++) this.#workers.push(this.#start());
  }

  /**
   * Queues tasks of one or more arrays; they are taken in order, after those queued before.
   *
   * @returns the results in task order once all are done. After a value that stops the conversion
   *   later tasks are skipped (null), earlier ones are not, so that the first bad value is found
   *   whatever thread meets one.
   */
  run(
    jobs: readonly ArrayJob[],
    tasks: readonly QueuedTask[],
  ): Promise<readonly (TaskResult | null)[]> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#workers.length === 0) return this.#runInline(jobs, tasks);
    const counters = new Int32Array(new SharedArrayBuffer(8));
    Atomics.store(counters, STOP_AFTER, tasks.length);
    const pending = new PendingJob(jobs, tasks, this.#workers.length);
    const id = this.#jobs.push(pending) - 1;
    const request: WorkerRequest = { id, jobs, tasks, counters };
    for (const worker of this.#workers) worker.postMessage(request);
    return pending.done;
  }

  /** Ends the threads at once, whatever they are doing; pending runs reject. */
  async close(reason?: Error): Promise<void> {
    this.#fail(reason ?? new Error("the decode pool was closed"));
    this.#inline?.close();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #start(): Worker {
    const file = import.meta.url.endsWith(".ts") ? "./decode-worker.ts" : "./decode-worker.js";
    // No inherited flags: a --import or --input-type of the parent must not reach the thread.
    const worker = new Worker(new URL(file, import.meta.url), { execArgv: [] });
    worker.on("message", (reply: WorkerReply) => this.#onReply(reply));
    worker.on("error", (error) => this.#fail(error));
    worker.on("exit", (code) => {
      this.#fail(
        new StorageError("io", `a decoding thread ended early (code ${code})`, {
          path: "worker",
          suggestions: ["run again with --workers 0"],
        }),
      );
    });
    return worker;
  }

  #onReply(reply: WorkerReply): void {
    const job = this.#jobs[reply.id];
    if (job === undefined) return;
    switch (reply.kind) {
      case "task":
        job.results[reply.task] = reply.result;
        this.#options.onTask?.(reply.result);
        break;
      case "failed":
        job.fail(errorFromMessage(reply.error), reply.task);
        break;
      case "finished":
        job.finishOne();
        break;
      default:
        reply satisfies never;
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const job of this.#jobs) job.reject(error);
  }

  async #runInline(
    jobs: readonly ArrayJob[],
    tasks: readonly QueuedTask[],
  ): Promise<readonly (TaskResult | null)[]> {
    this.#inline ??= new Decoder();
    const results: (TaskResult | null)[] = new Array(tasks.length).fill(null);
    for (const [index, { job: at, task }] of tasks.entries()) {
      const job = jobs[at] as ArrayJob; // proof: tasks name jobs of their request
      await new Promise((resolve) => setImmediate(resolve));
      this.#options.signal?.throwIfAborted();
      if (this.#failure !== null) throw this.#failure;
      const result = this.#inline.run(job, task);
      results[index] = result;
      this.#options.onTask?.(result);
      if (stops(job, result)) break;
    }
    return results;
  }
}

class PendingJob {
  readonly results: (TaskResult | null)[];
  readonly done: Promise<readonly (TaskResult | null)[]>;
  reject: (error: Error) => void = () => {};
  #resolve: (results: readonly (TaskResult | null)[]) => void = () => {};
  readonly #jobs: readonly ArrayJob[];
  readonly #tasks: readonly QueuedTask[];
  #running: number;
  #failure: { readonly error: Error; readonly task: number } | null = null;

  constructor(jobs: readonly ArrayJob[], tasks: readonly QueuedTask[], workers: number) {
    this.#jobs = jobs;
    this.#tasks = tasks;
    this.results = new Array<TaskResult | null>(tasks.length).fill(null);
    this.#running = workers;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.reject = reject;
    });
    // Whoever started the job may still be busy with an earlier step when it fails.
    this.done.catch(() => {});
  }

  /** Keeps the failure of the earliest task: the same one whatever the number of threads. */
  fail(error: Error, task: number): void {
    if (this.#failure === null || task < this.#failure.task) this.#failure = { error, task };
  }

  finishOne(): void {
    this.#running--;
    if (this.#running > 0) return;
    const failure = this.#failure;
    const stopped = this.results.findIndex(
      (result, at) => result !== null && stops(this.#jobs[this.#tasks[at]?.job ?? 0], result),
    );
    // A bad value before the failure is what one thread alone would have met first.
    if (failure !== null && (stopped < 0 || failure.task < stopped)) this.reject(failure.error);
    else this.#resolve(this.results);
  }
}
