/** What passes between a loader and its worker threads. */
import type { ErrorMessage } from "../../formats/common/error-message.ts";
import type { BatchInfo } from "./batch.ts";
import type { BatchMemory, GatheredArrays, GatherSettings } from "./batch-gatherer.ts";
import type { CollateModuleSpec } from "./collate-module.ts";
import type { RowSourceSpec } from "./reopen-source.ts";

/** Given to a thread when it starts. */
export interface WorkerSetup {
  readonly source: RowSourceSpec;
  readonly settings: GatherSettings;
  readonly collate: CollateModuleSpec | null;
}

export interface WorkerRequest {
  readonly id: number;
  readonly rows: Float64Array;
  /** For a collate function in the thread; null without one. */
  readonly info: BatchInfo | null;
  /** Transferred: arrays of an earlier batch. */
  readonly memory: BatchMemory;
}

export type WorkerReply =
  | { readonly kind: "arrays"; readonly id: number; readonly arrays: GatheredArrays }
  | { readonly kind: "collated"; readonly id: number; readonly value: unknown }
  | {
      readonly kind: "failed";
      /** Null when the thread could not start. */
      readonly id: number | null;
      /** Whether the caller's collate function threw. */
      readonly inCollate: boolean;
      readonly error: ErrorMessage;
    };
