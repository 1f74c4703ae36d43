/**
 * What runs programs.
 *
 * An executor compiles programs and holds parameters. A {@link ParameterState} is the training state
 * of one model: values, accumulated gradients and optimizer moments under the parameters' names. Any
 * number of programs run against it: training programs of several shapes, evaluation programs
 * without gradients, exports. Every executor passes `test/src/tensor/executor.suite.ts`.
 *
 * ```ts
 * await using executor = await openExecutor("onnx", { threads: 2 });
 * await using state = await executor.createState(program.parameters);
 * state.write("values", initial);
 * const step = await executor.compile(program);
 * for (const batch of batches) {
 *   state.zeroGradients();
 *   for (const [microBatch, inputs] of batch.entries())
 *     await state.run(step, inputs, { seed, step: n, microBatch });
 *   // data parallel training all-reduces state.gradients here
 *   await state.update(optimizer, { step: n, learningRate, maxGradientNorm: 1 });
 * }
 * ```
 */
import type { Communicator } from "../distributed/communicator.ts";
import type { GradientSums } from "./device/sums/gradient-sums.ts";
import type { ExecutorSettings } from "./executor-settings.ts";
import type { MemoryBound } from "./memory-limit.ts";
import type {
  LossScaleState,
  OptimizerSettings,
  UpdateOptions,
  UpdateResult,
} from "./optimizer.ts";
import type { HostArray, NamedValue, Program } from "./program.ts";

export interface Executor extends AsyncDisposable {
  /** The name `openExecutor` knows it by. */
  readonly name: string;
  /**
   * Training steps worth asking for before the values of the first are there: the device does not stand
   * still in between. Their updates take a `guard`. Absent: 1.
   */
  readonly stepsInFlight?: number;
  /** Forward passes worth asking for so, which need no guard. Absent: as many as `stepsInFlight`. */
  readonly runsInFlight?: number;
  /** What it computes on and how. Ranks that train together have the same. */
  readonly settings?: ExecutorSettings;
  /** All the memory of a device that has its own. Absent: it is the host's, or nobody says. */
  readonly deviceMemory?: MemoryBound;
  /**
   * Prepares a program. The result is cached: the same `Program` object gives the same executable
   * until newer ones push it out; a program pushed out is compiled again when it runs.
   */
  compile(program: Program, options?: CompileOptions): Promise<Executable>;
  /** Allocates a state for parameters, all zero. Parameters are those of one or more programs. */
  createState(parameters: readonly NamedValue[], options?: StateOptions): Promise<ParameterState>;
  /**
   * Memory of the device now and the most since the last call, of executors that count it; null where
   * it was not asked for with `countMemory`.
   */
  takeMemoryUse?(): Promise<MemoryUse | null>;
  /** Frees programs, states and threads; what is pending rejects, and so does all that is asked for later. */
  close(): Promise<void>;
}

/** Memory of a device as its allocator counts it, of one executor. */
export interface MemoryUse {
  /** Of tensors that are alive, and of the workspaces of kernels. */
  readonly allocatedBytes: number;
  /** The most of it at a time. */
  readonly peakBytes: number;
  /** Taken from the device, with what is kept for later; 0 on the CPU, which keeps nothing. */
  readonly reservedBytes: number;
}

export interface CompileOptions {
  readonly signal?: AbortSignal | undefined;
}

/** A program as its executor prepared it. */
export interface Executable {
  readonly program: Program;
}

export interface StateOptions {
  /** Parameters that are not trained: no memory for gradients and moments. Default: none. */
  readonly frozen?: Iterable<string>;
  /** No gradients and moments at all: for evaluation and inference. Default: false. */
  readonly inferenceOnly?: boolean;
}

/** `first` and `second` are the optimizer's moments, present once an update has run or was written. */
export type StateKind = "values" | "gradients" | "first" | "second";

/** Inputs of a run by name. Arrays are read until the run ends: do not change them before. */
export type RunInputs = Readonly<Record<string, HostArray>>;

export interface RunOptions {
  /** Key of the dropout masks. Default: all 0. */
  readonly seed?: number;
  readonly step?: number;
  readonly microBatch?: number;
}

/** Outputs by name, copied out: yours. */
export type RunOutputs = Readonly<Record<string, HostArray>>;

export interface ParameterState extends AsyncDisposable {
  readonly names: readonly string[];
  /** Those that are not frozen; the keys of gradients and moments. */
  readonly trained: readonly string[];
  /** Copies arrays in. Names may be a part; unknown names and wrong lengths are errors. */
  write(kind: StateKind, arrays: ReadonlyMap<string, Float32Array>): Promise<void>;
  /** Copies arrays out, of all names or those given. */
  read(kind: StateKind, names?: Iterable<string>): Promise<ReadonlyMap<string, Float32Array>>;
  /** Sets the accumulated gradients to zero. */
  zeroGradients(): Promise<void>;
  /**
   * Runs a program with this state's values. Gradients of the program are ADDED to the state's, so
   * micro-batches accumulate; those of frozen parameters are dropped (give `addGradients` the trained
   * ones, then they are not computed either). Runs and updates of one executor happen in the order they were asked.
   */
  run(executable: Executable, inputs: RunInputs, options?: RunOptions): Promise<RunOutputs>;
  /**
   * The accumulated gradients themselves where they lie in host memory (every CPU executor), to be
   * changed in place between runs, e.g. by an all-reduce; null where they lie elsewhere: use `read`
   * and `write`.
   */
  readonly hostGradients: ReadonlyMap<string, Float32Array> | null;
  /**
   * Adds up gradients over ranks where they lie, beside the backward pass; every rank calls it, once.
   * Absent or null where this cannot be: use `hostGradients`, or `read` and `write`.
   */
  shareGradients?(ranks: Communicator): Promise<GradientSums | null>;
  /**
   * The factor on the loss of float16 runs, as torch.amp.GradScaler has it. Absent or null where there
   * is none.
   * @param set to go on with
   * @throws InvalidArgumentError for numbers that no run can go on with
   */
  lossScale?(set?: LossScaleState): Promise<LossScaleState | null>;
  /**
   * Clips by the global norm, applies the optimizer to every trained parameter. Gradients stay.
   * @throws InvalidArgumentError for numbers out of range, e.g. step 0 or a rate of NaN: nothing was changed
   */
  update(optimizer: OptimizerSettings, options: UpdateOptions): Promise<UpdateResult>;
  /** Frees its memory; nothing is to be done, and nothing is thrown, where the executor was closed. */
  close(): Promise<void>;
}
