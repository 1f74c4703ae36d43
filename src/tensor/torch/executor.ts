import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type {
  CompileOptions,
  Executable,
  Executor,
  ParameterState,
  StateOptions,
} from "../executor.ts";
import type { ExecutorOptions } from "../open-executor.ts";
import type { NamedValue, Program } from "../program.ts";
import { requireCuda } from "./cuda-driver.ts";
import { type FoundLibtorch, findLibtorch } from "./find-libtorch.ts";
import type { Description } from "./messages.ts";
import { plainProgram } from "./plan.ts";
import { requirePrecision } from "./precision.ts";
import { TorchState } from "./state.ts";
import { TorchThread } from "./thread.ts";

/**
 * The libtorch of a PyTorch that is installed, in a thread of its own: programs run operation by
 * operation on its kernels, on the CPU or on a GPU. Weights, gradients and moments stay on the device.
 */
export class TorchExecutor implements Executor {
  readonly name = "torch";
  readonly thread: TorchThread;
  /** What was found and is used. */
  readonly libtorch: FoundLibtorch;
  /** Programs that the thread has, the one used last at the end. */
  readonly #programs = new Map<Program, number>();
  readonly #cachedPrograms: number;
  #ids = 0;

  private constructor(thread: TorchThread, libtorch: FoundLibtorch, cachedPrograms: number) {
    this.thread = thread;
    this.libtorch = libtorch;
    this.#cachedPrograms = cachedPrograms;
  }

  /**
   * Finds libtorch, starts the thread and loads the library in it.
   *
   * @throws NotFoundError where there is no libtorch or no such device, IncompatibleError for a
   *   version that is too old or has other operators, UnsupportedFeatureError where it cannot run
   */
  static async open(options: ExecutorOptions = {}): Promise<TorchExecutor> {
    const { cachedPrograms = 8, threads, deterministic = false, tf32 = false } = options;
    for (const [name, value] of Object.entries({ threads: threads ?? 1, cachedPrograms })) {
      if (Number.isSafeInteger(value) && value >= 1) continue;
      const message = `${name}: expected a whole number of at least 1, found ${value}`;
      throw new InvalidArgumentError(name, value, message);
    }
    const { device, index } = parseDevice(options.device ?? "cpu");
    const precision = requirePrecision(options.precision ?? "32");
    const libtorch = findLibtorch(options.libtorch);
    if (device === "cuda") requireCuda(libtorch, index);
    const settings = { device, index, precision, deterministic, tf32, threads: threads ?? null };
    const thread = new TorchThread({ ...settings, libtorch });
    try {
      await thread.send<"describe">({ kind: "describe" });
    } catch (error) {
      await thread.close(new Error("libtorch did not load"));
      throw error;
    }
    return new TorchExecutor(thread, libtorch, cachedPrograms);
  }

  async compile(program: Program, options: CompileOptions = {}): Promise<Executable> {
    options.signal?.throwIfAborted();
    this.load(program);
    return { program };
  }

  async createState(
    parameters: readonly NamedValue[],
    options: StateOptions = {},
  ): Promise<ParameterState> {
    const state = new TorchState(this, this.#ids++, parameters, options);
    await state.allocate(parameters);
    return state;
  }

  /** Versions and counts of the thread. */
  describe(): Promise<Description> {
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
    this.#programs.clear();
    const reason = new InvalidArgumentError("executor", this.name, "the executor was closed");
    await this.thread.close(reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(program: Program): number {
    const id = this.#ids++;
    const request = { kind: "load", program: id, plain: plainProgram(program) } as const;
    // A failure shows in the run that needs the program.
    this.thread.send<"load">(request).catch(() => this.#programs.delete(program));
    return id;
  }
}

/** `cpu`, `cuda` or `cuda:N`. @throws InvalidArgumentError */
export function parseDevice(name: string): { device: "cpu" | "cuda"; index: number } {
  const [, device, index = "0"] = /^(cpu|cuda)(?::(\d{1,4}))?$/.exec(name) ?? [];
  if (device === "cpu" && index === "0") return { device, index: 0 };
  if (device === "cuda") return { device, index: Number(index) };
  throw new InvalidArgumentError("device", name, `device ${name}: expected cpu, cuda or cuda:N`);
}
