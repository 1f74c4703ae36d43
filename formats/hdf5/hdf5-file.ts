import { FormatError, InvalidArgumentError } from "../common/errors.ts";
import { Hdf5Thread } from "./hdf5-thread.ts";
import type { Hdf5Request, Hdf5Results, Hdf5Values, NodeInfo } from "./protocol.ts";
import type { DatasetStorage } from "./storage.ts";

/** Time to compute for one operation on a file's structure or one bounded read. */
export const DEFAULT_TIMEOUT_MS = 8000;

export interface Hdf5FileOptions {
  /**
   * Ends an operation that computes longer, with a FormatError `timed-out`. Time in which other
   * processes have the processor does not count, up to 15 times as much. Default 8,000.
   */
  readonly timeoutMs?: number;
  /** Aborts the opening. */
  readonly signal?: AbortSignal;
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
  #thread: Hdf5Thread | null = null;
  #queue: Promise<unknown> = Promise.resolve();
  #isOpen: boolean;
  readonly #nodes = new Map<string, NodeInfo | null>();

  private constructor(path: string, timeoutMs: number) {
    this.path = path;
    this.#timeoutMs = timeoutMs;
    this.#isOpen = true;
  }

  /** Starts the thread and opens the file; `signal` covers the opening. */
  static async open(path: string, options: Hdf5FileOptions = {}): Promise<Hdf5File> {
    const { signal } = options;
    signal?.throwIfAborted();
    const file = new Hdf5File(path, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const onAbort = (): void => {
      file.#thread?.fail(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await file.#enqueue(() => file.#start());
      signal?.throwIfAborted();
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

  /**
   * One block of a dataset, at most 512 MiB.
   *
   * @param begin first element along each axis; empty for a scalar
   * @param end element after the last along each axis
   * @param fields members of a compound to read; all when null
   */
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
   * Gives the thread to the next file that needs one; unused for two seconds it ends and frees its
   * memory (about 80 MB). The next operation here opens the file again.
   * Useful before long work that reads located chunks only.
   */
  async release(): Promise<void> {
    await this.#enqueue(async () => {
      const thread = this.#thread;
      this.#thread = null;
      await thread?.giveBack(this.path, this.#timeoutMs);
    });
  }

  /** Fails the operation in progress, if any. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#nodes.clear();
    const thread = this.#thread;
    this.#thread = null;
    if (thread === null) return;
    if (thread.isBusy) {
      thread.fail(new FormatError("closed", "the file was closed", { path: this.path }));
      await thread.end();
    } else {
      await thread.giveBack(this.path, this.#timeoutMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #call<R extends Hdf5Request>(request: R): Promise<Hdf5Results[R["op"]]> {
    return this.#enqueue(async () => {
      const thread = await this.#start();
      const result = await thread.send(request, this.path, this.#timeoutMs);
      // The worker answers each operation with that operation's result type.
      return result as Hdf5Results[R["op"]];
    });
  }

  /** Operations run one after another: time limits then measure the work, not the waiting. */
  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(work);
    this.#queue = run.catch(() => undefined);
    return run;
  }

  async #start(): Promise<Hdf5Thread> {
    if (!this.#isOpen) {
      throw new InvalidArgumentError("file", this.path, `${this.path}: the file is closed`);
    }
    if (this.#thread?.isAlive === true) return this.#thread;
    const thread = Hdf5Thread.take();
    this.#thread = thread;
    try {
      await thread.send({ op: "open", path: this.path }, this.path, this.#timeoutMs);
    } catch (error) {
      await thread.end();
      throw error;
    }
    return thread;
  }
}
