/** A worker thread that answers requests one after another. */
import { parentPort, threadId, Worker, workerData } from "node:worker_threads";
import {
  type ErrorMessage,
  errorFromMessage,
  errorToMessage,
} from "../../formats/common/error-message.ts";
import {
  awaitCallAtExit,
  beginCall,
  endCall,
  newThreadCalls,
  stopCalls,
  type ThreadCalls,
} from "./thread-calls.ts";
import { giveTurn, type ThreadTurns, takeTurn } from "./thread-turns.ts";

interface Envelope<R> {
  readonly id: number;
  readonly request: R;
}

type Reply<A> =
  | { readonly id: number; readonly answer: A }
  | { readonly id: number; readonly error: ErrorMessage };

/** An answer that is not there yet: the request after it is begun before. */
export class Late<A> {
  readonly answer: Promise<A>;

  constructor(answer: Promise<A>) {
    this.answer = answer;
    // Whoever drops it does not want its error either.
    answer.catch(() => {});
  }
}

/** What a thread is started with. */
interface ThreadData {
  readonly settings: unknown;
  readonly calls: ThreadCalls;
  readonly turns: ThreadTurns | null;
}

export interface ThreadOptions {
  /** What the thread finds by {@link threadSettings}. */
  readonly settings?: unknown;
  /** What requests reject with when the thread ends by itself. */
  readonly ended: Error;
  /**
   * Closing, and the end of the process, wait for the request that the thread is at; those behind it
   * are dropped. For libraries that end the process when their caller's thread is ended under them.
   */
  readonly endsItself?: boolean;
  /** Threads that share it work on one request at a time between them, and end one at a time. */
  readonly turns?: ThreadTurns;
}

interface Pending<A> {
  readonly resolve: (answer: A) => void;
  readonly reject: (error: Error) => void;
}

/** For a thread to end: a GPU comes back from what it does. */
const HANG_MS = 10_000;

/** `R` are requests told apart by `kind`, `A` their answers by it. Idle, it does not keep the process. */
export class RequestThread<
  R extends { readonly kind: string },
  A extends Record<R["kind"], unknown>,
> {
  readonly #worker: Worker;
  readonly #endsItself: boolean;
  readonly #exited: Promise<void>;
  /** The end of the process no longer waits for it. */
  readonly #leaveAlone: () => void;
  readonly #calls = newThreadCalls();
  readonly #pending = new Map<number, Pending<A[R["kind"]]>>();
  #ids = 0;
  #failure: Error | null = null;

  /** @param file the thread's module, which calls {@link serveRequests} */
  constructor(file: URL, { settings, ended, endsItself = false, turns }: ThreadOptions) {
    const data: ThreadData = { settings, calls: this.#calls, turns: turns ?? null };
    // No inherited flags: a --import or --input-type of the parent must not reach the thread.
    const worker = new Worker(file, { execArgv: [], workerData: data });
    const { threadId: id } = worker;
    worker.unref();
    worker.on("message", (reply: Reply<A[R["kind"]]>) => this.#onReply(reply));
    worker.on("error", (error) => this.#fail(error));
    worker.on("exit", () => this.#fail(ended));
    this.#worker = worker;
    this.#endsItself = endsItself;
    this.#leaveAlone = endsItself ? awaitCallAtExit(this.#calls) : () => {};
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        if (turns !== undefined) giveTurn(turns, id);
        this.#leaveAlone();
        resolve();
      });
    });
  }

  /** Whether it has ended or is about to: it answers nothing, and its memory is gone. */
  get isEnded(): boolean {
    return this.#failure !== null;
  }

  send<K extends R["kind"]>(request: Extract<R, { kind: K }>): Promise<A[K]> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const envelope: Envelope<R> = { id: this.#ids++, request };
    const answer = new Promise<A[R["kind"]]>((resolve, reject) => {
      this.#pending.set(envelope.id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage(envelope);
    });
    return answer as Promise<A[K]>; // proof: the thread answers a request by its kind
  }

  /**
   * Ends the thread; pending requests reject with `reason`. One that hangs in a call to its device is
   * left alone after `limitMs`, and the process then ends without it.
   */
  async close(reason: Error, limitMs = HANG_MS): Promise<void> {
    this.#fail(reason);
    const hangs = Symbol();
    const limit = AbortSignal.timeout(limitMs);
    const late = new Promise<symbol>((resolve) => {
      limit.addEventListener("abort", () => resolve(hangs), { once: true });
    });
    if ((await Promise.race([this.#end(), late])) !== hangs) return;
    this.#leaveAlone();
    this.#worker.unref();
    // Node would wait for the thread, which nothing but the end of the process ends.
    const kill = () => process.kill(process.pid, "SIGKILL");
    process.once("exit", kill);
    this.#worker.once("exit", () => process.off("exit", kill));
  }

  #end(): Promise<unknown> {
    if (!this.#endsItself) return this.#worker.terminate();
    stopCalls(this.#calls);
    this.#worker.ref();
    this.#worker.postMessage(null);
    return this.#exited;
  }

  #onReply(reply: Reply<A[R["kind"]]>): void {
    // It comes too late: the end of the thread is what the process waits for.
    if (this.#failure !== null) return;
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if ("error" in reply) pending?.reject(errorFromMessage(reply.error));
    else pending?.resolve(reply.answer);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }
}

type Handle<R, A> = (request: R) => A | Late<A> | Promise<A | Late<A>>;

/** In a thread: the settings it was started with. */
export function threadSettings<S>(): S {
  return (workerData as ThreadData).settings as S; // proof: the caller's own RequestThread
}

/**
 * The thread's side: works on every request by `handle`, one after another. Memory of an answer that
 * `moved` names goes over without a copy.
 *
 * @param name stands in for the path in errors that have none
 */
export function serveRequests<R, A>(
  name: string,
  handle: Handle<R, A>,
  moved: (answer: A) => readonly ArrayBuffer[] = () => [],
): void {
  const { calls, turns } = workerData as ThreadData; // proof: RequestThread starts it so
  const answer = async ({ id, request }: Envelope<R>) => {
    const reply = (answer: A) => parentPort?.postMessage({ id, answer }, [...moved(answer)]);
    const fail = (error: unknown) =>
      parentPort?.postMessage({ id, error: errorToMessage(error, name) });
    if (turns !== null) takeTurn(turns, threadId);
    if (!beginCall(calls)) {
      if (turns !== null) giveTurn(turns, threadId);
      return;
    }
    try {
      const made = await handle(request);
      if (made instanceof Late) made.answer.then(reply).catch(fail);
      else reply(made);
    } catch (error) {
      fail(error);
    } finally {
      endCall(calls);
      if (turns !== null) giveTurn(turns, threadId);
    }
  };
  const end = () => {
    // What the thread leaves behind is freed after this; the turn is given up for it when it is gone.
    if (turns !== null) takeTurn(turns, threadId);
    process.exit();
  };
  let last: Promise<void> = Promise.resolve();
  parentPort?.on("message", (message: Envelope<R> | null) => {
    last = last.then(() => (message === null ? end() : answer(message)));
  });
}
