import type { MemoryUse, RunInputs, RunOptions, RunOutputs, StateKind } from "../executor.ts";
import type {
  LossScaleState,
  OptimizerSettings,
  UpdateOptions,
  UpdateResult,
} from "../optimizer.ts";
import type { Late } from "../request-thread.ts";
import type { Answer, Description, Request, SumsSetup } from "./messages.ts";
import type { PlainNamed, PlainProgram } from "./plan.ts";
import type { SumReport } from "./sums/gradient-sums.ts";
import type { GradientBucket } from "./sums/layout.ts";

type Soon<T> = T | Promise<T>;
/** Some devices are still at work when the next request begins. */
type SoonOrLate<T> = Soon<T | Late<T>>;

/** Parameters, gradients and moments on a device, as its thread holds them. */
export interface ResidentState {
  write(kind: StateKind, arrays: ReadonlyMap<string, Float32Array>): Soon<void>;
  read(kind: StateKind, names: readonly string[]): Soon<ReadonlyMap<string, Float32Array>>;
  zeroGradients(): Soon<void>;
  /** Absent: its runs have no factor on the loss. */
  scale?(set: LossScaleState | null): Soon<LossScaleState | null>;
  close(): Soon<void>;
}

export interface ResidentProgram<S> {
  run(state: S, inputs: RunInputs, options: Required<RunOptions>): SoonOrLate<RunOutputs>;
  close(): Soon<void>;
}

/** A library that runs programs on a device, loaded in the thread. */
export interface DeviceRuntime<S extends ResidentState, D extends Description> {
  describe(): Soon<D>;
  /** Memory now, and the most since the last call; null where it is not counted. */
  takeMemoryUse?(): MemoryUse | null;
  load(program: PlainProgram): Soon<ResidentProgram<S>>;
  create(parameters: readonly PlainNamed[], trained: readonly string[]): Soon<S>;
  update(state: S, optimizer: OptimizerSettings, options: UpdateOptions): SoonOrLate<UpdateResult>;
  /** Adds up gradients over the ranks where they lie. Absent: it does not. */
  readonly sums?: DeviceSums<S>;
  /** Called after every request, also one that failed. */
  afterRequest(): void;
}

/** Sums of gradients over the ranks, see `GradientSums`. */
export interface DeviceSums<S> {
  share(state: S, buckets: readonly GradientBucket[], how: SumsSetup): Soon<void>;
  arm(state: S): void;
  finish(state: S, outputs: readonly string[]): Soon<SumReport>;
  shareValues(state: S, names: readonly (readonly string[])[]): Soon<void>;
}

/** Programs and states of a thread by number; the runtime is opened by the first request. */
export class DeviceSession<S extends ResidentState, D extends Description> {
  readonly #open: () => Soon<DeviceRuntime<S, D>>;
  readonly #programs = new Map<number, ResidentProgram<S>>();
  readonly #states = new Map<number, S>();
  #runtime: DeviceRuntime<S, D> | undefined;

  constructor(open: () => Soon<DeviceRuntime<S, D>>) {
    this.#open = open;
  }

  async handle(request: Request): Promise<Answer<D> | Late<Answer<D>>> {
    this.#runtime ??= await this.#open();
    try {
      return await this.#answer(request, this.#runtime);
    } finally {
      this.#runtime.afterRequest();
    }
  }

  async #answer(
    request: Request,
    runtime: DeviceRuntime<S, D>,
  ): Promise<Answer<D> | Late<Answer<D>>> {
    switch (request.kind) {
      case "describe":
        return runtime.describe();
      case "memory":
        return runtime.takeMemoryUse?.() ?? null;
      case "load":
        this.#programs.set(request.program, await runtime.load(request.plain));
        return null;
      case "unload":
        await this.#programs.get(request.program)?.close();
        this.#programs.delete(request.program);
        return null;
      case "create": {
        const { state, parameters, trained } = request;
        this.#states.set(state, await runtime.create(parameters, trained));
        return null;
      }
      case "drop":
        await this.#states.get(request.state)?.close();
        this.#states.delete(request.state);
        return null;
      case "write":
        await this.#state(request.state).write(request.what, request.arrays);
        return null;
      case "read":
        return this.#state(request.state).read(request.what, request.names);
      case "zero":
        await this.#state(request.state).zeroGradients();
        return null;
      case "scale":
        return this.#state(request.state).scale?.(request.set) ?? null;
      case "run": {
        const program = this.#programs.get(request.program);
        if (program === undefined) throw new Error("the program was unloaded");
        return program.run(this.#state(request.state), request.inputs, request.options);
      }
      case "share":
        await sumsOf(runtime).share(this.#state(request.state), request.buckets, request.how);
        return null;
      case "arm":
        sumsOf(runtime).arm(this.#state(request.state));
        return null;
      case "sum":
        return sumsOf(runtime).finish(this.#state(request.state), request.outputs);
      case "share values":
        await sumsOf(runtime).shareValues(this.#state(request.state), request.names);
        return null;
      case "update": {
        const { optimizer, options } = request;
        return runtime.update(this.#state(request.state), optimizer, options);
      }
    }
  }

  #state(id: number): S {
    const state = this.#states.get(id);
    if (state === undefined) throw new Error("the state was closed");
    return state;
  }
}

function sumsOf<S extends ResidentState>({ sums }: DeviceRuntime<S, Description>): DeviceSums<S> {
  if (sums === undefined) throw new Error("this device does not add up gradients");
  return sums;
}

/** Memory of an answer that goes to the asker without a copy: arrays that were read out. */
export function movedBuffers(answer: Answer): readonly ArrayBuffer[] {
  if (!(answer instanceof Map)) return [];
  const arrays: Iterable<Float32Array<ArrayBuffer>> = answer.values();
  return [...arrays].map(({ buffer }) => buffer);
}
