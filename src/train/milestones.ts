/** After which steps a run validates and writes a checkpoint. */
export interface Milestones {
  validatesAfter(step: number): boolean;
  savesAfter(step: number): boolean;
  /** Whether one of both follows. */
  follow(step: number): boolean;
}

/** The last step is one of both. */
export function milestonesOf(options: {
  readonly maxSteps: number;
  /** Default: only at the end. */
  readonly valCheckInterval?: number;
  /** Default: `valCheckInterval`. */
  readonly saveEveryNSteps?: number;
}): Milestones {
  const { maxSteps, valCheckInterval = maxSteps, saveEveryNSteps = valCheckInterval } = options;
  const validatesAfter = (step: number) => step % valCheckInterval === 0 || step === maxSteps;
  const savesAfter = (step: number) => step % saveEveryNSteps === 0 || step === maxSteps;
  return {
    validatesAfter,
    savesAfter,
    follow: (step) => validatesAfter(step) || savesAfter(step),
  };
}
