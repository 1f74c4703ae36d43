import { ScdlError } from "../../formats/common/errors.ts";

/** Training cannot go on: `loss-not-finite`, `data-ended`. The weights are those of `step`. */
export class TrainingError extends ScdlError {
  /** Updates done before. */
  readonly step: number;
  /** The newest checkpoint; null without one. */
  readonly checkpoint: string | null;

  constructor(
    code: "loss-not-finite" | "data-ended",
    message: string,
    details: {
      readonly step: number;
      readonly checkpoint: string | null;
      readonly suggestions?: readonly string[];
    },
  ) {
    const { step, checkpoint } = details;
    const kept = checkpoint === null ? "no checkpoint was written" : `go on from ${checkpoint}`;
    super(code, message, { suggestions: [...(details.suggestions ?? []), kept] });
    this.step = step;
    this.checkpoint = checkpoint;
  }
}
