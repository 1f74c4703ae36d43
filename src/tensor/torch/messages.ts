import type { RunInputs, RunOptions, RunOutputs, StateKind } from "../executor.ts";
import type { OptimizerSettings, UpdateOptions, UpdateResult } from "../optimizer.ts";
import type { FoundLibtorch } from "./find-libtorch.ts";
import type { PlainNamed, PlainProgram } from "./plan.ts";
import type { Precision } from "./precision.ts";

type Arrays = ReadonlyMap<string, Float32Array>;

/** Questions to the thread by what they ask. */
export type Request =
  | { readonly kind: "describe" }
  | { readonly kind: "load"; readonly program: number; readonly plain: PlainProgram }
  | { readonly kind: "unload"; readonly program: number }
  | {
      readonly kind: "create";
      readonly state: number;
      readonly parameters: readonly PlainNamed[];
      readonly trained: readonly string[];
    }
  | { readonly kind: "drop"; readonly state: number }
  | {
      readonly kind: "write";
      readonly state: number;
      readonly what: StateKind;
      readonly arrays: Arrays;
    }
  | {
      readonly kind: "read";
      readonly state: number;
      readonly what: StateKind;
      readonly names: readonly string[];
    }
  | { readonly kind: "zero"; readonly state: number }
  | {
      readonly kind: "run";
      readonly program: number;
      readonly state: number;
      readonly inputs: RunInputs;
      readonly options: Required<RunOptions>;
    }
  | {
      readonly kind: "update";
      readonly state: number;
      readonly optimizer: OptimizerSettings;
      readonly options: UpdateOptions;
    };

export interface Answers {
  readonly describe: Description;
  readonly load: null;
  readonly unload: null;
  readonly create: null;
  readonly drop: null;
  readonly write: null;
  readonly read: Arrays;
  readonly zero: null;
  readonly run: RunOutputs;
  readonly update: UpdateResult;
}

export type Answer = Answers[keyof Answers];

/** What the thread has loaded. */
export interface Description {
  /** Of libtorch's C interface, e.g. "2.11". */
  readonly interfaceVersion: string;
  /** Tensors that are not freed. */
  readonly liveTensors: number;
}

/** Given to the thread when it starts. */
export interface ThreadSettings {
  readonly libtorch: FoundLibtorch;
  readonly device: "cpu" | "cuda";
  readonly index: number;
  readonly precision: Precision;
  readonly deterministic: boolean;
  readonly tf32: boolean;
  /** Threads of one operation on the CPU; null for libtorch's own choice. */
  readonly threads: number | null;
}
