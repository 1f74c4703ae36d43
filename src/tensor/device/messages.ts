import type { NcclLinkMemory } from "../../distributed/nccl/nccl-link.ts";
import type { MemoryUse, RunInputs, RunOptions, RunOutputs, StateKind } from "../executor.ts";
import type {
  LossScaleState,
  OptimizerSettings,
  UpdateOptions,
  UpdateResult,
} from "../optimizer.ts";
import type { PlainNamed, PlainProgram } from "./plan.ts";
import type { SumReport } from "./sums/gradient-sums.ts";
import type { GradientBucket } from "./sums/layout.ts";
import type { SharedBucketMemory } from "./sums/shared-buckets.ts";

/** What adds up gradients over the ranks. */
export type SumsSetup =
  | { readonly kind: "host"; readonly memory: SharedBucketMemory }
  | {
      readonly kind: "nccl";
      readonly memory: NcclLinkMemory;
      /** Its path. */
      readonly library: string;
      readonly id: Uint8Array;
      readonly rank: number;
      readonly worldSize: number;
    };

type Arrays = ReadonlyMap<string, Float32Array>;

/** Questions to a thread that has programs and states on a device, by what they ask. */
export type Request =
  | { readonly kind: "describe" }
  | { readonly kind: "memory" }
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
  /** The factor on the loss; null where there is none. */
  | { readonly kind: "scale"; readonly state: number; readonly set: LossScaleState | null }
  | {
      readonly kind: "run";
      readonly program: number;
      readonly state: number;
      readonly inputs: RunInputs;
      readonly options: Required<RunOptions>;
    }
  /** Gradients of a state are to be added up over the ranks, in these buckets. */
  | {
      readonly kind: "share";
      readonly state: number;
      readonly buckets: readonly GradientBucket[];
      readonly how: SumsSetup;
    }
  /** The next run makes the last gradients of a step. */
  | { readonly kind: "arm"; readonly state: number }
  /** Answered when the gradients are the sums, and whether `outputs` are finite is known of all ranks. */
  | { readonly kind: "sum"; readonly state: number; readonly outputs: readonly string[] }
  /** Every rank gets the values of parameters by their owners, rank by rank. */
  | {
      readonly kind: "share values";
      readonly state: number;
      readonly names: readonly (readonly string[])[];
    }
  | {
      readonly kind: "update";
      readonly state: number;
      readonly optimizer: OptimizerSettings;
      readonly options: UpdateOptions;
    };

export interface Answers<D = Description> {
  readonly describe: D;
  readonly memory: MemoryUse | null;
  readonly load: null;
  readonly unload: null;
  readonly create: null;
  readonly drop: null;
  readonly write: null;
  readonly read: Arrays;
  readonly zero: null;
  readonly scale: LossScaleState | null;
  readonly run: RunOutputs;
  readonly share: null;
  readonly arm: null;
  readonly sum: SumReport;
  readonly "share values": null;
  readonly update: UpdateResult;
}

export type Answer<D = Description> = Answers<D>[keyof Answers];

/** What the thread has loaded. */
export interface Description {
  /** Tensors that are not freed. */
  readonly liveTensors: number;
}
