import type { TrainerOptions } from "../trainer-options.ts";

/** What every rank must have alike, by the words that an error names. */
export function agreedOptions<B>(options: TrainerOptions<B>) {
  const { model, maxSteps, schedule, optimizer, checkpoints } = options;
  const { microBatchSize, maxGradientNorm, valCheckInterval, saveEveryNSteps, seed } = options;
  const { profileStep, executor } = options;
  return {
    ...{ model: model.name, parameters: model.parameters.length, optimizer: optimizer.kind },
    // Before what follows from the device.
    ...executor.settings,
    ...{ maxSteps, microBatchSize, maxGradientNorm, valCheckInterval, saveEveryNSteps, seed },
    limitValBatches: options.limitValBatches,
    ...{ profileStep, stepsInFlight: executor.stepsInFlight },
    shardOptimizer: options.shardOptimizer === true,
    earlyStopping: JSON.stringify(options.earlyStopping),
    learningRate: `${schedule(0)} to ${schedule(maxSteps - 1)}`,
    checkpoints: checkpoints !== undefined,
  };
}
