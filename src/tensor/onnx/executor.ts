import { availableParallelism } from "node:os";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { executorClosed } from "../closed-executor.ts";
import type {
  CompileOptions,
  Executable,
  Executor,
  ParameterState,
  StateOptions,
} from "../executor.ts";
import { type ExecutorSettings, executorSettings } from "../executor-settings.ts";
import { HostState } from "../host-state.ts";
import type { ExecutorOptions } from "../open-executor.ts";
import type { NamedValue, Program } from "../program.ts";
import { assertThreads } from "../threads.ts";
import { DropoutMasks } from "./dropout-masks.ts";
import type { TensorInfo } from "./messages.ts";
import { trainingModel } from "./model.ts";
import { OnnxState } from "./state.ts";
import { OnnxThread } from "./thread.ts";

interface LoadedProgram {
  readonly id: number;
  readonly loaded: Promise<null>;
  /** Runs that were asked for and are not done. */
  runs: number;
}

/**
 * ONNX Runtime on the CPU, in a thread of its own. A program becomes one ordinary ONNX graph;
 * weights and gradients lie in memory that all threads see.
 */
export class OnnxExecutor implements Executor {
  readonly name = "onnx";
  readonly settings: ExecutorSettings;
  /** Two where a processor is left for the host; its threads would wait for one that is not. */
  readonly runsInFlight: number;
  readonly masks = new DropoutMasks();
  readonly #threads: number;
  /** The first runs programs; the others, started when they are first needed, share updates. */
  readonly #workers: OnnxThread[] = [];
  /** Loaded programs, the one used last at the end. */
  readonly #programs = new Map<Program, LoadedProgram>();
  readonly #cachedPrograms: number;
  #ids = 0;
  #closed = false;

  constructor(options: ExecutorOptions = {}) {
    const { threads = availableParallelism(), cachedPrograms = 8 } = options;
    assertThreads(threads);
    if (!(Number.isSafeInteger(cachedPrograms) && cachedPrograms >= 1)) {
      const message = `cachedPrograms: expected a whole number of at least 1, found ${cachedPrograms}`;
      throw new InvalidArgumentError("cachedPrograms", cachedPrograms, message);
    }
    this.settings = executorSettings("cpu", options);
    this.#threads = threads;
    this.runsInFlight = threads < availableParallelism() ? 2 : 1;
    this.#cachedPrograms = cachedPrograms;
    this.#startWorkers(1);
  }

  async compile(program: Program, options: CompileOptions = {}): Promise<Executable> {
    options.signal?.throwIfAborted();
    await idOf(this.#entry(program));
    this.requireOpen();
    return { program };
  }

  async createState(
    parameters: readonly NamedValue[],
    options: StateOptions = {},
  ): Promise<ParameterState> {
    this.requireOpen();
    const state = new OnnxState(this, this.#ids++, new HostState(parameters, options));
    await null; // closed right after it was asked for: rejects, as all that is pending then
    this.requireOpen();
    return state;
  }

  /** @throws InvalidArgumentError after {@link close} */
  requireOpen(): void {
    if (this.#closed) throw executorClosed(this.name);
  }

  /** The thread that runs programs. */
  get runner(): OnnxThread {
    return this.#workers[0] as OnnxThread; // proof: the constructor started it
  }

  /** All threads, started if they are not. */
  allThreads(): readonly OnnxThread[] {
    this.#startWorkers(this.#threads);
    return this.#workers;
  }

  /**
   * Gives `work` the number under which the runner knows a program, which is compiled if it is not, and
   * keeps it until the work is done, whatever is compiled meanwhile.
   */
  async keeping<T>(program: Program, work: (id: Promise<number>) => Promise<T>): Promise<T> {
    const entry = this.#entry(program);
    const id = idOf(entry);
    id.catch(() => {}); // it shows in the work that waits for it
    entry.runs++;
    try {
      return await work(id);
    } finally {
      entry.runs--;
      this.#evict();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#programs.clear();
    await Promise.all(this.#workers.map((worker) => worker.close(executorClosed(this.name))));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** As the one used last. One that does not load is not kept. */
  #entry(program: Program): LoadedProgram {
    const entry = this.#programs.get(program) ?? this.#compile(program);
    this.#programs.delete(program);
    this.#programs.set(program, entry);
    this.#evict();
    return entry;
  }

  #compile(program: Program): LoadedProgram {
    const id = this.#ids++;
    const { bytes } = trainingModel(program);
    const loaded = this.runner.send<"load">({
      kind: "load",
      program: id,
      bytes,
      inputs: program.inputs.map(info),
      parameters: program.parameters.map(info),
      gradients: program.gradients.map(info),
      outputs: program.outputs.map(info),
    });
    loaded.catch(() => this.#programs.delete(program));
    return { id, loaded, runs: 0 };
  }

  /** Not the one used last, and none that runs. */
  #evict(): void {
    const newest = [...this.#programs.keys()].at(-1);
    for (const [oldest, { id, runs }] of this.#programs) {
      if (this.#programs.size <= this.#cachedPrograms) break;
      if (runs > 0 || oldest === newest) continue;
      this.#programs.delete(oldest);
      this.runner.send<"unload">({ kind: "unload", program: id }).catch(() => {});
    }
  }

  #startWorkers(count: number): void {
    if (this.#closed) return;
    while (this.#workers.length < count) {
      this.#workers.push(new OnnxThread({ threads: this.#threads }));
    }
  }
}

async function idOf({ id, loaded }: LoadedProgram): Promise<number> {
  await loaded;
  return id;
}

function info({ name, value }: NamedValue): TensorInfo {
  return { name, dtype: value.dtype, shape: value.shape };
}
