import { Worker } from "node:worker_threads";
import { errorFromMessage } from "../common/error-message.ts";
import { FormatError, StorageError } from "../common/errors.ts";
import type { Hdf5Reply, Hdf5Request } from "./protocol.ts";
import { TimeLimit } from "./time-limit.ts";

/** Compiled code sits beside its sources' names: worker.ts in development, worker.js in dist. */
const WORKER_URL = new URL(
  import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js",
  import.meta.url,
);

/** How long a thread waits for the next file; starting one costs about 100 ms. */
const IDLE_MS = 2000;
/** A thread whose memory has grown past this is ended instead: wasm memory never shrinks. */
const MAX_IDLE_BYTES = 64 << 20;

let idle: { readonly thread: Hdf5Thread; readonly timer: NodeJS.Timeout } | null = null;

interface Pending {
  readonly path: string;
  readonly id: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A thread that runs the HDF5 library on one file at a time, one request at a time.
 *
 * A request that computes too long, traps or exhausts the thread's memory fails with a FormatError and
 * ends the thread; {@link isAlive} is false from then on.
 */
export class Hdf5Thread {
  readonly #worker: Worker;
  #pending: Pending | null = null;
  #nextId = 0;
  #state: "clean" | "used" | "ended" = "clean";

  private constructor() {
    this.#worker = new Worker(WORKER_URL, {
      // No inherited flags: a --import or --input-type of the parent must not reach the thread.
      execArgv: [],
      // A small young generation keeps the thread's garbage from adding up to 50 MB.
      resourceLimits: { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 8 },
      // A library of ours prints nothing. These streams are not read either, not even to drop them:
      // that would keep the process alive as long as the thread waits. worker.ts writes nothing.
      stdout: true,
      stderr: true,
    });
    this.#worker.unref();
    this.#worker.on("message", (reply: Hdf5Reply) => {
      this.#settle(reply);
    });
    this.#worker.on("error", (error) => {
      if ("code" in error && error.code === "ERR_WORKER_INIT_FAILED") {
        this.fail(cannotStart(error, this.#pending?.path ?? ""));
        return;
      }
      this.#trapped(`the HDF5 thread failed: ${error.message}`, error);
    });
    this.#worker.on("exit", () => {
      this.#trapped("the HDF5 thread ended while reading the file");
    });
  }

  /** A thread without a file: the one that waits, or a new one. */
  static take(): Hdf5Thread {
    if (idle === null) return new Hdf5Thread();
    const { thread, timer } = idle;
    clearTimeout(timer);
    idle = null;
    return thread;
  }

  get isAlive(): boolean {
    return this.#state !== "ended";
  }

  get isBusy(): boolean {
    return this.#pending !== null;
  }

  /** @param path of the file, for errors */
  send(request: Hdf5Request, path: string, timeoutMs: number): Promise<unknown> {
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const what = "path" in request && request.op !== "open" ? `reading ${request.path}` : "opening";
    const limit = new TimeLimit({
      cpuMs: () => this.#cpuMs(),
      limitMs: timeoutMs,
      onOver: (why, elapsedMs) => {
        this.fail(
          why === "computing" ? stuck(what, timeoutMs, path) : starved(what, elapsedMs, path),
        );
      },
    });
    this.#pending = { path, id, resolve, reject };
    this.#worker.ref();
    this.#worker.postMessage({ ...request, id });
    return promise.finally(() => {
      limit[Symbol.dispose]();
      this.#worker.unref();
    });
  }

  /** Of the thread; of the whole process, which is no less, where Node cannot tell them apart. */
  async #cpuMs(): Promise<number> {
    // Node 22 has it from 22.18 on, 24 from 24.6.
    const worker: Partial<Pick<Worker, "cpuUsage">> = this.#worker;
    const ofThread = await worker.cpuUsage?.call(this.#worker).catch(() => undefined);
    const { user, system } = ofThread ?? process.cpuUsage();
    return (user + system) / 1000;
  }

  #settle(reply: Hdf5Reply): void {
    const pending = this.#pending;
    if (pending === null || pending.id !== reply.id) return;
    if ("error" in reply) {
      if (this.#state === "clean") this.#state = "used";
      const error = errorFromMessage(reply.error);
      if (reply.error.fatal) {
        this.fail(error);
        return;
      }
      this.#pending = null;
      pending.reject(error);
      return;
    }
    this.#pending = null;
    pending.resolve(reply.result);
  }

  #trapped(message: string, cause?: unknown): void {
    this.fail(damaged("hdf5-trap", message, this.#pending?.path ?? "", cause));
  }

  /** Rejects the request in progress with `error` and ends the thread. */
  fail(error: unknown): void {
    const pending = this.#pending;
    this.#pending = null;
    void this.end();
    pending?.reject(error);
  }

  async end(): Promise<void> {
    if (this.#state === "ended") return;
    this.#state = "ended";
    if (idle?.thread === this) {
      clearTimeout(idle.timer);
      idle = null;
    }
    this.#worker.removeAllListeners();
    // A late failure of a thread that is being ended concerns nobody.
    this.#worker.on("error", () => undefined);
    await this.#worker.terminate();
  }

  /**
   * Closes the file and keeps the thread for the next one when nothing went wrong in it: after an
   * error the library's memory is not trusted with another file.
   */
  async giveBack(path: string, timeoutMs: number): Promise<void> {
    if (this.#state !== "clean" || this.#pending !== null) return this.end();
    const memoryBytes = await this.send({ op: "close" }, path, timeoutMs).catch(() => null);
    const isSmall = typeof memoryBytes === "number" && memoryBytes <= MAX_IDLE_BYTES;
    if (!isSmall || idle !== null) return this.end();
    const timer = setTimeout(() => {
      void this.end();
    }, IDLE_MS);
    timer.unref();
    idle = { thread: this, timer };
  }
}

function damaged(code: string, message: string, path: string, cause?: unknown): FormatError {
  return new FormatError(code, message, {
    path,
    ...(cause === undefined ? {} : { cause }),
    suggestions: ["the file may be damaged: check it with h5dump or h5py"],
  });
}

function stuck(what: string, timeoutMs: number, path: string): FormatError {
  return damaged(
    "timed-out",
    `${what} did not end within ${timeoutMs / 1000} s of computing`,
    path,
  );
}

function starved(what: string, elapsedMs: number, path: string): FormatError {
  const message = `${what} did not end within ${Math.round(elapsedMs / 1000)} s, spent waiting`;
  return new FormatError("timed-out", message, {
    path,
    suggestions: [
      "the machine is busy or the disk does not answer: try again with fewer processes",
    ],
  });
}

/** Not the file's fault: too many open files or too little memory. */
function cannotStart(cause: Error, path: string): StorageError {
  return new StorageError("io", `no thread can be started to read it: ${cause.message}`, {
    path,
    suggestions: ["close other files, or raise the limit (ulimit -n)"],
    cause,
  });
}
