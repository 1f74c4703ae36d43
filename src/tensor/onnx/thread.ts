import { Worker } from "node:worker_threads";
import { errorFromMessage } from "../../../formats/common/error-message.ts";
import { UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import type { Answer, Answers, Envelope, Reply, Request, ThreadSettings } from "./messages.ts";

interface Pending {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** A worker thread that answers requests one after another; idle, it does not keep the process. */
export class OnnxThread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #ids = 0;
  #failure: Error | null = null;

  constructor(settings: ThreadSettings) {
    const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    // No inherited flags: a --import or --input-type of the parent must not reach the thread.
    const options = { execArgv: [], workerData: settings };
    this.#worker = new Worker(new URL(file, import.meta.url), options);
    this.#worker.unref();
    this.#worker.on("message", (reply: Reply) => this.#onReply(reply));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => {
      this.#fail(new UnsupportedFeatureError("onnx", "the thread of ONNX Runtime has ended"));
    });
  }

  send<K extends Request["kind"]>(request: Extract<Request, { kind: K }>): Promise<Answers[K]> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const envelope: Envelope = { id: this.#ids++, request };
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#pending.set(envelope.id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage(envelope);
    });
    return answer as Promise<Answers[K]>; // proof: the thread answers a request by its kind
  }

  /** Ends the thread; pending requests reject with `reason`. */
  async close(reason: Error): Promise<void> {
    this.#fail(reason);
    await this.#worker.terminate();
  }

  #onReply(reply: Reply): void {
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
