import { Worker } from "node:worker_threads";
import { errorFromMessage } from "../../../formats/common/error-message.ts";
import { StorageError } from "../../../formats/common/errors.ts";
import type { StoredTensor } from "../../../formats/safetensors/tensor.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { CheckpointFilesOptions, CheckpointInfo } from "./checkpoint-files.ts";
import type { SaveReply, SaveRequest } from "./checkpoint-messages.ts";

interface Pending {
  readonly resolve: (kept: readonly CheckpointInfo[]) => void;
  readonly reject: (error: Error) => void;
}

/** One thread of the process that writes checkpoints one after another; idle, it does not keep it. */
class CheckpointThread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #ids = 0;
  #failure: Error | null = null;

  constructor() {
    const file = import.meta.url.endsWith(".ts")
      ? "./checkpoint-worker.ts"
      : "./checkpoint-worker.js";
    // No inherited flags: a --import or --input-type of the parent must not reach the thread.
    this.#worker = new Worker(new URL(file, import.meta.url), { execArgv: [] });
    this.#worker.unref();
    this.#worker.on("message", (reply: SaveReply) => this.#onReply(reply));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", (code) => {
      const message = `the thread that writes checkpoints ended (code ${code})`;
      this.#fail(new StorageError("io", message, { path: "checkpoint" }));
    });
  }

  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  save(
    request: Omit<SaveRequest, "id">,
    transfer: ArrayBuffer[],
  ): Promise<readonly CheckpointInfo[]> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const id = this.#ids++;
    return new Promise((resolve, reject) => {
      this.#worker.postMessage({ ...request, id } satisfies SaveRequest, transfer);
      this.#pending.set(id, { resolve, reject });
      this.#worker.ref();
    });
  }

  #onReply(reply: SaveReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if ("error" in reply) pending?.reject(errorFromMessage(reply.error));
    else pending?.resolve(reply.kept);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }
}

let thread: CheckpointThread | null = null;

/**
 * Writes a checkpoint in another thread. Its arrays go over to that thread: their length is 0 from now
 * on.
 */
export async function saveInThread(
  directory: string,
  options: CheckpointFilesOptions,
  { model, optimizer, trainer, modelConfig, files = new Map() }: Checkpoint,
): Promise<readonly CheckpointInfo[]> {
  if (thread === null || thread.hasFailed) thread = new CheckpointThread();
  return thread.save(
    {
      directory,
      options,
      model: [...model],
      optimizer: [...optimizer],
      trainer: JSON.stringify(trainer),
      modelConfig: modelConfig === undefined ? null : JSON.stringify(modelConfig),
      files: [...files],
    },
    buffersOf([...model.values(), ...optimizer.values()]),
  );
}

/** Those that arrays fill whole; a part of a larger one is copied. */
function buffersOf(tensors: readonly StoredTensor[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { data } of tensors) {
    const { buffer, byteLength } = data;
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffers.add(buffer);
  }
  return [...buffers];
}
