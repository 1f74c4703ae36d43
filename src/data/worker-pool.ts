import { Worker } from "node:worker_threads";
import { errorFromMessage } from "../../formats/common/error-message.ts";
import { type BatchInfo, rowsToRead } from "./batch.ts";
import type { BatchMemory, GatheredArrays } from "./batch-gatherer.ts";
import {
  type BatchReader,
  collated,
  collateError,
  type ReadBatch,
  reclaim,
  type Ticket,
} from "./batch-reader.ts";
import type { CollateFunction } from "./collate.ts";
import { LoaderError } from "./loader-error.ts";
import type { WorkerReply, WorkerRequest, WorkerSetup } from "./worker-messages.ts";

export interface WorkerPoolOptions {
  /** At least 1. */
  readonly workers: number;
  readonly setup: WorkerSetup;
  readonly nVars: number;
  /** Runs in the calling thread; a collate function of the setup runs in the workers. */
  readonly collate: CollateFunction | null;
}

/**
 * Reads batches in worker threads that map the files themselves. Only row numbers and transferred
 * arrays pass between threads, and the arrays go back with a later request.
 *
 * The threads live until {@link close}; while nothing is asked for they do not keep the process
 * alive.
 */
export class WorkerPool implements BatchReader {
  readonly #options: WorkerPoolOptions;
  readonly #threads: Thread[] = [];
  readonly #waiting = new Map<number, Waiting>();
  readonly #memory: BatchMemory[] = [];
  #nextId = 0;
  #failure: unknown = null;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    for (let i = 0; i < options.workers; i++) this.#threads.push(this.#start());
  }

  /** Whether a thread died or could not start: every request fails from then on. */
  get isBroken(): boolean {
    return this.#failure !== null;
  }

  request(info: BatchInfo): Ticket {
    const id = this.#nextId++;
    const thread = this.#idlest();
    const waiting = new Waiting(id, info, thread);
    const ticket = { take: () => this.#take(waiting), cancel: () => waiting.cancel() };
    if (this.#failure !== null) {
      waiting.reject(this.#failure);
      return ticket;
    }
    this.#waiting.set(id, waiting);
    thread.begin();
    const memory = this.#memory.pop() ?? [];
    const inWorker = this.#options.setup.collate !== null;
    const rows = rowsToRead(info);
    const request: WorkerRequest = { id, rows, info: inWorker ? info : null, memory };
    thread.worker.postMessage(request, memory);
    return ticket;
  }

  recycle(arrays: GatheredArrays): void {
    this.#memory.push(reclaim(arrays));
  }

  interrupt(reason: unknown): void {
    for (const waiting of this.#waiting.values()) waiting.reject(reason);
  }

  async close(): Promise<void> {
    this.#fail(new LoaderError("closed", "the loader was closed"));
    this.#memory.length = 0;
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  async #take(waiting: Waiting): Promise<ReadBatch> {
    const reply = await waiting.reply;
    if (reply.kind === "collated") return { value: reply.value, arrays: null };
    const { nVars, collate } = this.#options;
    return collated(waiting.info, reply.arrays, nVars, collate);
  }

  #idlest(): Thread {
    // There is at least one thread.
    return this.#threads.reduce((best, thread) => (thread.pending < best.pending ? thread : best));
  }

  #start(): Thread {
    const file = import.meta.url.endsWith(".ts") ? "./loader-worker.ts" : "./loader-worker.js";
    // No inherited flags: a --import or --input-type of the parent must not reach the thread.
    const worker = new Worker(new URL(file, import.meta.url), {
      execArgv: [],
      workerData: this.#options.setup,
    });
    worker.unref();
    worker.on("message", (reply: WorkerReply) => this.#onReply(reply));
    worker.on("error", (error) => this.#fail(diedError(error.message, error)));
    worker.on("exit", (code) => this.#fail(diedError(`exit code ${code}`)));
    return new Thread(worker);
  }

  #onReply(reply: WorkerReply): void {
    if (reply.kind === "failed" && reply.id === null) {
      this.#fail(errorFromMessage(reply.error));
      return;
    }
    const waiting = this.#waiting.get(reply.id ?? -1);
    if (waiting === undefined) return;
    this.#waiting.delete(waiting.id);
    waiting.thread.end();
    if (reply.kind === "failed") {
      const error = errorFromMessage(reply.error);
      waiting.reject(reply.inCollate ? collateError(waiting.info, error) : error);
    } else if (waiting.isSettled && reply.kind === "arrays") {
      this.recycle(reply.arrays);
    } else {
      waiting.resolve(reply);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.values()) {
      waiting.thread.end();
      waiting.reject(this.#failure);
    }
    this.#waiting.clear();
  }
}

function diedError(how: string, cause?: unknown): LoaderError {
  return new LoaderError("worker-died", `a worker thread of the loader ended by itself: ${how}`, {
    cause,
    suggestions: [
      "use workers: 0 to see where",
      "if memory ran out: fewer workers, or a smaller batch or prefetch",
    ],
  });
}

/** A worker that keeps the process alive only while something is asked of it. */
class Thread {
  readonly worker: Worker;
  pending = 0;

  constructor(worker: Worker) {
    this.worker = worker;
  }

  begin(): void {
    if (this.pending++ === 0) this.worker.ref();
  }

  end(): void {
    if (--this.pending === 0) this.worker.unref();
  }
}

type Answer = Exclude<WorkerReply, { readonly kind: "failed" }>;

/** A batch that a thread is reading. */
class Waiting {
  readonly id: number;
  readonly info: BatchInfo;
  readonly thread: Thread;
  readonly reply: Promise<Answer>;
  isSettled = false;
  #resolve: (reply: Answer) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(id: number, info: BatchInfo, thread: Thread) {
    this.id = id;
    this.info = info;
    this.thread = thread;
    this.reply = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever asked may still be busy with an earlier batch when this one fails, or never take it.
    this.reply.catch(() => {});
  }

  resolve(reply: Answer): void {
    this.isSettled = true;
    this.#resolve(reply);
  }

  reject(error: unknown): void {
    this.isSettled = true;
    this.#reject(error);
  }

  /** An answer that comes later is recycled; one that is there is left to the garbage collector. */
  cancel(): void {
    this.isSettled = true;
  }
}
