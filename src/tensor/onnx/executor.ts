import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { errorFromMessage } from "../../../formats/common/error-message.ts";
import { InvalidArgumentError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import type {
  CompileOptions,
  Executable,
  Executor,
  ParameterState,
  RunOutputs,
  StateOptions,
} from "../executor.ts";
import { HostState } from "../host-state.ts";
import type { ExecutorOptions } from "../open-executor.ts";
import type { NamedValue, Program } from "../program.ts";
import type { Envelope, Reply, Request, TensorInfo } from "./messages.ts";
import { trainingModel } from "./model.ts";
import { OnnxState } from "./state.ts";

/**
 * ONNX Runtime on the CPU, in a thread of its own. A program becomes one ordinary ONNX graph;
 * weights, the same on every run, lie in memory that both threads see.
 */
export class OnnxExecutor implements Executor {
  readonly name = "onnx";
  readonly #worker: Worker;
  readonly #pending = new Map<
    number,
    { resolve: (outputs: RunOutputs) => void; reject: (error: Error) => void }
  >();
  /** Loaded programs, the one used last at the end. */
  readonly #programs = new Map<
    Program,
    { readonly id: number; readonly loaded: Promise<unknown> }
  >();
  readonly #cachedPrograms: number;
  #ids = 0;
  #failure: Error | null = null;

  constructor(options: ExecutorOptions = {}) {
    const { threads = availableParallelism(), cachedPrograms = 8 } = options;
    for (const [name, value] of Object.entries({ threads, cachedPrograms })) {
      if (Number.isSafeInteger(value) && value >= 1) continue;
      throw new InvalidArgumentError(
        name,
        value,
        `${name}: expected a whole number of at least 1, found ${value}`,
      );
    }
    this.#cachedPrograms = cachedPrograms;
    const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    // No inherited flags: a --import or --input-type of the parent must not reach the thread.
    this.#worker = new Worker(new URL(file, import.meta.url), {
      execArgv: [],
      workerData: { threads },
    });
    this.#worker.unref();
    this.#worker.on("message", (reply: Reply) => this.#onReply(reply));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => {
      this.#fail(new UnsupportedFeatureError("onnx", "the thread of ONNX Runtime has ended"));
    });
  }

  async compile(program: Program, options: CompileOptions = {}): Promise<Executable> {
    options.signal?.throwIfAborted();
    await this.load(program);
    return { program };
  }

  async createState(
    parameters: readonly NamedValue[],
    options: StateOptions = {},
  ): Promise<ParameterState> {
    const host = new HostState(parameters, options);
    const id = this.#ids++;
    await this.send({
      kind: "attach",
      state: id,
      parameters: {
        values: host.block("values"),
        places: host.places,
        gradients: host.trainedPlaces.length === 0 ? null : host.block("gradients"),
        trained: host.trainedPlaces,
      },
    });
    return new OnnxState(this, id, host);
  }

  /** The number under which the thread knows a program, which is compiled if it is not. */
  async load(program: Program): Promise<number> {
    const known = this.#programs.get(program);
    if (known !== undefined) {
      this.#programs.delete(program);
      this.#programs.set(program, known);
      await known.loaded;
      return known.id;
    }
    const id = this.#ids++;
    const { bytes, masks } = trainingModel(program);
    const loaded = this.send({
      kind: "load",
      program: id,
      bytes,
      inputs: program.inputs.map(info),
      parameters: program.parameters.map(info),
      gradients: program.gradients.map(info),
      outputs: program.outputs.map(info),
      masks,
    });
    this.#programs.set(program, { id, loaded });
    for (const [oldest, { id: unused }] of this.#programs) {
      if (this.#programs.size <= this.#cachedPrograms) break;
      this.#programs.delete(oldest);
      // Runs asked for before are done first: the thread works in order.
      this.send({ kind: "unload", program: unused }).catch(() => {});
    }
    try {
      await loaded;
    } catch (error) {
      this.#programs.delete(program);
      throw error;
    }
    return id;
  }

  /** Asks the thread; requests are done in the order they are sent. */
  send(request: Request): Promise<RunOutputs> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const envelope: Envelope = { id: this.#ids++, request };
    return new Promise((resolve, reject) => {
      this.#pending.set(envelope.id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage(envelope);
    });
  }

  async close(): Promise<void> {
    this.#fail(new InvalidArgumentError("executor", this.name, "the executor was closed"));
    this.#programs.clear();
    await this.#worker.terminate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #onReply(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if ("error" in reply) pending?.reject(errorFromMessage(reply.error));
    else pending?.resolve(reply.outputs);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }
}

function info({ name, value }: NamedValue): TensorInfo {
  return { name, dtype: value.dtype, shape: value.shape };
}
