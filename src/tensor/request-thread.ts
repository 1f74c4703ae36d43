/** A worker thread that answers requests one after another. */
import { parentPort, Worker } from "node:worker_threads";
import {
  type ErrorMessage,
  errorFromMessage,
  errorToMessage,
} from "../../formats/common/error-message.ts";

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
  readonly #pending = new Map<number, Pending<A[R["kind"]]>>();
  #ids = 0;
  #failure: Error | null = null;

  /**
   * @param file the thread's module, which calls {@link serveRequests}
   * @param settings its `workerData`
   * @param ended what requests reject with when the thread ends by itself
   */
  constructor(file: URL, settings: unknown, ended: Error) {
    // No inherited flags: a --import or --input-type of the parent must not reach the thread.
    this.#worker = new Worker(file, { execArgv: [], workerData: settings });
    this.#worker.unref();
    this.#worker.on("message", (reply: Reply<A[R["kind"]]>) => this.#onReply(reply));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(ended));
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
    if ((await Promise.race([this.#worker.terminate(), late])) !== hangs) return;
    this.#worker.unref();
    // Node would wait for the thread, which nothing but the end of the process ends.
    process.once("exit", () => process.kill(process.pid, "SIGKILL"));
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
  let last: Promise<void> = Promise.resolve();
  parentPort?.on("message", ({ id, request }: Envelope<R>) => {
    const reply = (answer: A) => parentPort?.postMessage({ id, answer }, [...moved(answer)]);
    const fail = (error: unknown) =>
      parentPort?.postMessage({ id, error: errorToMessage(error, name) });
    last = last.then(async () => {
      try {
        const made = await handle(request);
        if (made instanceof Late) made.answer.then(reply).catch(fail);
        else reply(made);
      } catch (error) {
        fail(error);
      }
    });
  });
}
