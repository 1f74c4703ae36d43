import type { ErrorMessage } from "../../../formats/common/error-message.ts";
import type { RunInputs, RunOptions, RunOutputs } from "../executor.ts";
import type { ParameterPlace } from "../host-state.ts";
import type { Shape, TensorDType } from "../program.ts";
import type { MaskInput } from "./model.ts";

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
  readonly masks: readonly MaskInput[];
}

export interface UnloadRequest {
  readonly kind: "unload";
  readonly program: number;
}

/** Memory of parameters that the thread may read and write during runs. */
export interface SharedParameters {
  readonly values: SharedArrayBuffer;
  readonly places: readonly ParameterPlace[];
  readonly gradients: SharedArrayBuffer | null;
  readonly trained: readonly ParameterPlace[];
}

export interface AttachRequest {
  readonly kind: "attach";
  readonly state: number;
  readonly parameters: SharedParameters;
}

export interface DetachRequest {
  readonly kind: "detach";
  readonly state: number;
}

export interface RunRequest {
  readonly kind: "run";
  readonly program: number;
  readonly state: number;
  readonly inputs: RunInputs;
  readonly options: Required<RunOptions>;
}

export type Request = LoadRequest | UnloadRequest | AttachRequest | DetachRequest | RunRequest;

export interface Envelope {
  readonly id: number;
  readonly request: Request;
}

export type Reply =
  | { readonly id: number; readonly outputs: RunOutputs }
  | { readonly id: number; readonly error: ErrorMessage };

/** Given to the thread when it starts. */
export interface ThreadSettings {
  readonly threads: number;
}
