import { ScdlError } from "../../formats/common/errors.ts";

export type TrainingErrorCode = "loss-not-finite" | "data-ended" | "out-of-memory";

/** Training cannot go on: `loss-not-finite`, `data-ended`, `out-of-memory`. The weights are those of `step`. */
export class TrainingError extends ScdlError {
  /** Updates done before. */
  readonly step: number;
  /** The newest checkpoint; null without one. */
  readonly checkpoint: string | null;

  constructor(
    code: TrainingErrorCode,
    message: string,
    details: {
      readonly step: number;
      readonly checkpoint: string | null;
      readonly suggestions?: readonly string[];
      readonly cause?: unknown;
    },
  ) {
    const { step, checkpoint } = details;
    const kept = checkpoint === null ? "no checkpoint was written" : `go on from ${checkpoint}`;
    const suggestions = [...(details.suggestions ?? []), kept];
    super(code, message, { suggestions, cause: details.cause });
    this.step = step;
    this.checkpoint = checkpoint;
  }
}
