/** A limit for the start of MPI, which stands still in one call until every process of the job is there. */
import { Worker } from "node:worker_threads";

export interface StartWatch {
  readonly rank: number;
  readonly timeoutMs: number;
  /** After so long one line says what is waited for; null for none. */
  readonly noticeMs: number | null;
}

/** What the thread is given. */
export interface StartWatchData extends StartWatch {
  /** One number, not 0 once MPI has started. */
  readonly started: Int32Array;
}

/**
 * Runs `start`, in which no JavaScript of this thread can run and from which nothing can throw. When it
 * takes longer than `timeoutMs` a thread of its own writes why to the terminal and ends the process, as
 * MPI does with errors; mpirun then ends the others.
 */
export function watched<T>(watch: StartWatch, start: () => T): T {
  const started = new Int32Array(new SharedArrayBuffer(4));
  const file = import.meta.url.endsWith(".ts")
    ? "./start-watch-worker.ts"
    : "./start-watch-worker.js";
  const workerData: StartWatchData = { ...watch, started };
  const worker = new Worker(new URL(file, import.meta.url), { execArgv: [], workerData });
  worker.unref();
  // Without it the start has no limit, as without the thread.
  worker.on("error", () => {});
  try {
    return start();
  } finally {
    Atomics.store(started, 0, 1);
    Atomics.notify(started, 0);
  }
}
