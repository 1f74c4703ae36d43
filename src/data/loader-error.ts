import { type ErrorDetails, ScdlError } from "../../formats/common/errors.ts";

/**
 * - "item-failed": a data set of your own threw when an item was asked for; `cause` is what it threw;
 * - "collate-failed": the caller's collate function threw; `cause` is what it threw;
 * - "stage-failed": a function given to a stage of a `WebDataset` threw; `cause` is what it threw;
 * - "worker-died": a worker thread ended by itself;
 * - "loader-busy": the loader is being iterated and cannot be moved;
 * - "closed": used after close().
 */
export type LoaderErrorCode =
  | "item-failed"
  | "collate-failed"
  | "stage-failed"
  | "worker-died"
  | "loader-busy"
  | "closed";

/** The loader could not go on; see {@link LoaderErrorCode}. */
export class LoaderError extends ScdlError {
  declare readonly code: LoaderErrorCode;

  constructor(code: LoaderErrorCode, message: string, details: ErrorDetails = {}) {
    super(code, message, details);
  }
}
