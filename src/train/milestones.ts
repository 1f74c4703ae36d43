/** After which steps a run validates and writes a checkpoint. */
export interface Milestones {
  validatesAfter(step: number): boolean;
  savesAfter(step: number): boolean;
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
  return {
    validatesAfter: (step) => step % valCheckInterval === 0 || step === maxSteps,
    savesAfter: (step) => step % saveEveryNSteps === 0 || step === maxSteps,
  };
}
