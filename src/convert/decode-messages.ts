/** What passes between the conversion and its decoding threads, errors included. */
import type { ErrorMessage } from "../../formats/common/error-message.ts";
import type { ArrayJob, DecodeTask, TaskResult } from "./decode-task.ts";

export interface QueuedTask {
  /** Index of the array's job in the request. */
  readonly job: number;
  readonly task: DecodeTask;
}

export interface WorkerRequest {
  readonly id: number;
  readonly jobs: readonly ArrayJob[];
  readonly tasks: readonly QueuedTask[];
  /** Shared: next task to take, first task that need not run. */
  readonly counters: Int32Array;
}

/** Cells of the counters shared with the workers. */
export const NEXT_TASK = 0;
export const STOP_AFTER = 1;

/** Whether a result ends the conversion. */
export function stops(job: ArrayJob | undefined, result: TaskResult): boolean {
  return result.bad !== null && (job?.role === "indices" || job?.allowLossy !== true);
}

export type WorkerReply =
  | {
      readonly kind: "task";
      readonly id: number;
      readonly task: number;
      readonly result: TaskResult;
    }
  | {
      readonly kind: "failed";
      readonly id: number;
      readonly task: number;
      readonly error: ErrorMessage;
    }
  | { readonly kind: "finished"; readonly id: number };
