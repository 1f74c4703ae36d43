import { executorClosed } from "../closed-executor.ts";
import type {
  CompileOptions,
  Executable,
  Executor,
  ParameterState,
  StateOptions,
} from "../executor.ts";
import type { ExecutorSettings } from "../executor-settings.ts";
import type { NamedValue, Program } from "../program.ts";
import type { RequestThread } from "../request-thread.ts";
import type { Answers, Description, Request } from "./messages.ts";
import { plainProgram } from "./plan.ts";
import { DeviceState } from "./state.ts";
import type { GradientMemory } from "./sums/gradient-sums.ts";

/** Who answers: a thread, or a test in its place. */
type Requests<D extends Description> = Pick<
  RequestThread<Request, Answers<D>>,
  "send" | "close" | "isEnded"
>;

/**
 * What executors have in common whose states lie on a device: a thread has the runtime, the programs
 * and the states; this side numbers them.
 */
export abstract class DeviceExecutor<D extends Description> implements Executor {
  abstract readonly name: string;
  readonly settings: ExecutorSettings;
  readonly thread: Requests<D>;
  /** Null where gradients cannot be added up where they lie, see `GradientSums`. */
  readonly gradientMemory: GradientMemory | null = null;
  /** Programs that the thread has, the one used last at the end. */
  readonly #programs = new Map<Program, number>();
  readonly #cachedPrograms: number;
  #ids = 0;
  #isClosed = false;

  protected constructor(thread: Requests<D>, settings: ExecutorSettings, cachedPrograms = 8) {
    this.thread = thread;
    this.settings = settings;
    this.#cachedPrograms = cachedPrograms;
  }

  async compile(program: Program, options: CompileOptions = {}): Promise<Executable> {
    options.signal?.throwIfAborted();
    this.#requireOpen();
    this.load(program);
    await null; // closed right after it was asked for: rejects, as all that is pending then
    this.#requireOpen();
    return { program };
  }

  async createState(
    parameters: readonly NamedValue[],
    options: StateOptions = {},
  ): Promise<ParameterState> {
    const state = new DeviceState(this, this.#ids++, parameters, options);
    await state.allocate(parameters);
    return state;
  }

  /** Versions and counts of the thread. */
  describe(): Promise<D> {
    return this.thread.send<"describe">({ kind: "describe" });
  }

  load(program: Program): number {
    const id = this.#programs.get(program) ?? this.#send(program);
    this.#programs.delete(program);
    this.#programs.set(program, id);
    for (const [oldest, old] of this.#programs) {
      if (this.#programs.size <= this.#cachedPrograms) break;
      this.#programs.delete(oldest);
      // Runs asked for before are done first: the thread works in order.
      this.thread.send<"unload">({ kind: "unload", program: old }).catch(() => {});
    }
    return id;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#programs.clear();
    await this.thread.close(executorClosed(this.name));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #requireOpen(): void {
    if (this.#isClosed) throw executorClosed(this.name);
  }

  #send(program: Program): number {
    const id = this.#ids++;
    const request = { kind: "load", program: id, plain: plainProgram(program) } as const;
    // A failure shows in the run that needs the program.
    this.thread.send<"load">(request).catch(() => this.#programs.delete(program));
    return id;
  }
}

/** The thread's answer to its first question, or its end with the error that opening it made. */
export async function opened<D extends Description>(
  thread: RequestThread<Request, Answers<D>>,
): Promise<D> {
  try {
    return await thread.send<"describe">({ kind: "describe" });
  } catch (error) {
    await thread.close(new Error("the runtime did not load"));
    throw error;
  }
}
