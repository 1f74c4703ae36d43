/** What passes between the conversion and its decoding threads, errors included. */
import {
  FormatError,
  NotFoundError,
  ScdlError,
  StorageError,
  type StorageErrorCode,
  UnsupportedFeatureError,
} from "../../formats/common/errors.ts";
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

/** Structured cloning keeps neither the class of an error nor its own fields. */
export interface ErrorMessage {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly path: string;
  readonly suggestions: readonly string[];
}

export function errorToMessage(error: unknown, path: string): ErrorMessage {
  if (error instanceof ScdlError) {
    const own = "path" in error && typeof error.path === "string" ? error.path : path;
    const { name, code, message, suggestions } = error;
    return { name, code, message, path: own, suggestions };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { name: "Error", code: "io", message, path, suggestions: [] };
}

export function errorFromMessage(sent: ErrorMessage): Error {
  const { code, path, suggestions } = sent;
  const text = sent.message.startsWith(`${path}: `)
    ? sent.message.slice(path.length + 2)
    : sent.message;
  switch (sent.name) {
    case "FormatError":
      return new FormatError(code, text, { path, suggestions });
    case "StorageError":
      // proof: the sender's error was a StorageError, whose code has this type
      return new StorageError(code as StorageErrorCode, text, { path, suggestions });
    case "NotFoundError":
      return new NotFoundError(code, sent.message, { what: path, suggestions });
    case "UnsupportedFeatureError":
      return new UnsupportedFeatureError(code, sent.message, { suggestions });
    default:
      return new Error(sent.message);
  }
}
