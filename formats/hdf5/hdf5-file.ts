import { Worker } from "node:worker_threads";
import {
  FormatError,
  InvalidArgumentError,
  NotFoundError,
  type ScdlError,
  StorageError,
  UnsupportedFeatureError,
} from "../common/errors.ts";
import type {
  ErrorReport,
  Hdf5Reply,
  Hdf5Request,
  Hdf5Results,
  Hdf5Values,
  NodeInfo,
} from "./protocol.ts";
import type { DatasetStorage } from "./storage.ts";

/** Time for one operation on a file's structure or one bounded read. */
export const DEFAULT_TIMEOUT_MS = 10_000;

/** Compiled code sits beside its sources' names: worker.ts in development, worker.js in dist. */
const WORKER_URL = new URL(
  import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js",
  import.meta.url,
);

export interface Hdf5FileOptions {
  /** Ends an operation that takes longer, with a FormatError `timed-out`. Default 10,000. */
  readonly timeoutMs?: number;
  /** Aborting ends the operation in progress and closes the file. */
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly id: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * An HDF5 file read by the HDF5 library in a thread of its own.
 *
 * A hostile file can make the library hang, trap or exhaust its memory; then the thread is ended,
 * the operation fails with a FormatError, and the next operation starts a new thread.
 */
export class Hdf5File implements AsyncDisposable {
  readonly path: string;
  readonly #timeoutMs: number;
  #worker: Worker | null = null;
  #pending: Pending | null = null;
  #queue: Promise<unknown> = Promise.resolve();
  #nextId = 0;
  #closed: boolean;
  readonly #nodes = new Map<string, NodeInfo | null>();

  private constructor(path: string, timeoutMs: number) {
    this.path = path;
    this.#timeoutMs = timeoutMs;
    this.#closed = false;
  }

  /** Starts the thread and opens the file; `signal` covers the opening. */
  static async open(path: string, options: Hdf5FileOptions = {}): Promise<Hdf5File> {
    const { signal } = options;
    signal?.throwIfAborted();
    const file = new Hdf5File(path, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const onAbort = (): void => {
      file.#fail(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await file.#enqueue(() => file.#start());
      return file;
    } catch (error) {
      await file.close();
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** What is at an absolute path such as `/obs/index`; null when nothing is. Cached. */
  async node(path: string): Promise<NodeInfo | null> {
    const known = this.#nodes.get(path);
    if (known !== undefined) return known;
    const info = await this.#call({ op: "node", path });
    this.#nodes.set(path, info);
    return info;
  }

  /** One block of a dataset, at most 512 MiB. `begin` and `end` have one number per axis. */
  read(
    path: string,
    begin: readonly number[],
    end: readonly number[],
    fields: readonly string[] | null = null,
  ): Promise<Hdf5Values> {
    return this.#call({ op: "read", path, begin, end, fields });
  }

  /** Where a number dataset's bytes lie; null when it holds something else. */
  locate(path: string): Promise<DatasetStorage | null> {
    return this.#call({ op: "locate", path });
  }

  /**
   * Ends the thread and frees its memory (about 80 MB); the next operation starts a new one.
   * Useful before long work that reads located chunks only.
   */
  async release(): Promise<void> {
    await this.#enqueue(() => this.#stop());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#nodes.clear();
    this.#fail(this.#error("closed", "the file was closed"));
    await this.#stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #call<R extends Hdf5Request>(request: R): Promise<Hdf5Results[R["op"]]> {
    return this.#enqueue(async () => {
      const worker = await this.#start();
      // The worker answers each operation with that operation's result type.
      return (await this.#send(worker, request)) as Hdf5Results[R["op"]];
    });
  }

  /** Operations run one after another: time limits then measure the work, not the waiting. */
  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(work);
    this.#queue = run.catch(() => undefined);
    return run;
  }

  async #start(): Promise<Worker> {
    if (this.#closed) {
      throw new InvalidArgumentError("file", this.path, `${this.path}: the file is closed`);
    }
    if (this.#worker !== null) return this.#worker;
    const worker = new Worker(WORKER_URL, {
      // No inherited flags: a --import or --input-type of the parent must not reach the thread.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 512 },
      // The compiled HDF5 library writes warnings; a library of ours prints nothing.
      stdout: true,
      stderr: true,
    });
    worker.stdout.resume();
    worker.stderr.resume();
    this.#worker = worker;
    worker.on("message", (reply: Hdf5Reply) => {
      this.#settle(reply);
    });
    worker.on("error", (error) => {
      this.#fail(this.#error("hdf5-trap", `the HDF5 thread failed: ${error.message}`, error));
    });
    worker.on("exit", () => {
      this.#fail(this.#error("hdf5-trap", "the HDF5 thread ended while reading the file"));
    });
    try {
      await this.#send(worker, { op: "open", path: this.path });
    } catch (error) {
      await this.#stop();
      throw error;
    }
    return worker;
  }

  #send(worker: Worker, request: Hdf5Request): Promise<unknown> {
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => {
      const what = request.op === "open" ? "opening the file" : `reading ${request.path}`;
      this.#fail(
        this.#error("timed-out", `${what} did not end within ${this.#timeoutMs / 1000} s`),
      );
    }, this.#timeoutMs);
    this.#pending = { id, resolve, reject };
    worker.ref();
    worker.postMessage({ ...request, id });
    return promise.finally(() => {
      clearTimeout(timer);
      worker.unref();
    });
  }

  #settle(reply: Hdf5Reply): void {
    const pending = this.#pending;
    if (pending === null || pending.id !== reply.id) return;
    if ("error" in reply) {
      const error = rebuild(reply.error, this.path);
      if (reply.error.fatal) {
        this.#fail(error);
        return;
      }
      this.#pending = null;
      pending.reject(error);
      return;
    }
    this.#pending = null;
    pending.resolve(reply.result);
  }

  /** Rejects what is going on and ends the thread. */
  #fail(error: unknown): void {
    const pending = this.#pending;
    this.#pending = null;
    void this.#stop();
    pending?.reject(error);
  }

  async #stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    if (worker === null) return;
    worker.removeAllListeners();
    // A late failure of a thread that is being ended concerns nobody.
    worker.on("error", () => undefined);
    await worker.terminate();
  }

  #error(code: string, message: string, cause?: unknown): FormatError {
    return new FormatError(code, message, {
      path: this.path,
      ...(cause === undefined ? {} : { cause }),
      suggestions: ["the file may be damaged: check it with h5dump or h5py"],
    });
  }
}

function rebuild(report: ErrorReport, path: string): ScdlError {
  switch (report.type) {
    case "format":
      return new FormatError(report.code, report.message, { path });
    case "unsupported":
      return new UnsupportedFeatureError("hdf5", report.message);
    case "not-found":
      return new NotFoundError(report.code, report.message, { what: path });
    case "storage":
      // The code crossed the thread boundary unchanged from a StorageError.
      return new StorageError(report.code as StorageError["code"] & "io", report.message, { path });
  }
}
