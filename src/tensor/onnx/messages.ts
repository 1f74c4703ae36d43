import type { RunInputs, RunOptions, RunOutputs } from "../executor.ts";
import type { SharedState } from "../host-state.ts";
import type { OptimizerSettings, UpdateOptions } from "../optimizer.ts";
import type { Shape, TensorDType } from "../program.ts";

/** A tensor of a program as the thread sees it. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: TensorDType;
  readonly shape: Shape;
}

export interface LoadRequest {
  readonly kind: "load";
  readonly program: number;
  readonly bytes: Uint8Array;
  readonly inputs: readonly TensorInfo[];
  readonly parameters: readonly TensorInfo[];
  readonly gradients: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}

/** A dropout mask as an input of the graph, in memory that all threads see. */
export interface SharedMask {
  readonly name: string;
  readonly bits: Uint16Array;
}

/** Numbers of a mask from `first` on, for one thread to fill. */
export interface MaskPart {
  readonly layer: number;
  readonly rate: number;
  readonly first: number;
  readonly bits: Uint16Array;
}

export interface RunRequest {
  readonly kind: "run";
  readonly program: number;
  readonly state: number;
  readonly inputs: RunInputs;
  readonly masks: readonly SharedMask[];
}

/** Asks for parts of the dropout masks of a run. */
export interface MasksRequest {
  readonly kind: "masks";
  readonly parts: readonly MaskPart[];
  readonly options: Required<RunOptions>;
}

/** Which chunks of a state's parameters: see `UpdateChunks`. */
export interface ChunkRange {
  readonly state: number;
  readonly begin: number;
  readonly end: number;
}

export interface AdamRequest extends ChunkRange {
  readonly kind: "adam";
  readonly gradientFactor: number;
  readonly optimizer: OptimizerSettings;
  readonly options: UpdateOptions;
}

/** Questions to a thread by what they ask; `attach` gives it the memory of a state. */
export type Request =
  | LoadRequest
  | { readonly kind: "unload"; readonly program: number }
  | { readonly kind: "attach"; readonly state: number; readonly shared: SharedState }
  | { readonly kind: "detach"; readonly state: number }
  | MasksRequest
  | RunRequest
  | ({ readonly kind: "squares" } & ChunkRange)
  | AdamRequest;

export interface Answers {
  readonly load: null;
  readonly unload: null;
  readonly attach: null;
  readonly detach: null;
  readonly masks: null;
  readonly run: RunOutputs;
  readonly squares: Float64Array;
  readonly adam: null;
}

export type Answer = Answers[keyof Answers];

/** Given to the thread when it starts. */
export interface ThreadSettings {
  /** Threads of one operation of ONNX Runtime. */
  readonly threads: number;
}
