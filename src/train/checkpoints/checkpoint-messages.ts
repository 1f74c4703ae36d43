/** What the trainer's thread and the one that writes checkpoints say to each other. */
import type { ErrorMessage } from "../../../formats/common/error-message.ts";
import type { StoredTensor } from "../../../formats/safetensors/tensor.ts";
import type { CheckpointFilesOptions, CheckpointInfo } from "./checkpoint-files.ts";

export interface SaveRequest {
  readonly id: number;
  readonly directory: string;
  readonly options: CheckpointFilesOptions;
  readonly model: readonly (readonly [string, StoredTensor])[];
  readonly optimizer: readonly (readonly [string, StoredTensor])[];
  /** `TrainerState` as JSON. */
  readonly trainer: string;
  /** JSON, or null for none. */
  readonly modelConfig: string | null;
  /** Other files by name; copied, since every checkpoint has them. */
  readonly files: readonly (readonly [string, Uint8Array])[];
}

export type SaveReply =
  | { readonly id: number; readonly kept: readonly CheckpointInfo[] }
  | { readonly id: number; readonly error: ErrorMessage };
