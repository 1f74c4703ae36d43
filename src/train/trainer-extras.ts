import { UnsupportedFeatureError } from "../../formats/common/errors.ts";
import type { TrainerOptions } from "./trainer-options.ts";

/** What a run passes on to its trainer as it is. */
export interface TrainerExtras
  extends Pick<TrainerOptions<never>, "earlyStopping" | "asyncSave" | "profileStep"> {
  /** How the losses of micro-batches become one, see `LossReduction`. Default "global". */
  readonly lossReduction?: "global" | "micro-batch";
}

export function trainerExtras(options: TrainerExtras): TrainerExtras {
  const { earlyStopping, asyncSave, profileStep, lossReduction } = options;
  return {
    ...(earlyStopping === undefined ? {} : { earlyStopping }),
    ...(asyncSave === undefined ? {} : { asyncSave }),
    ...(profileStep === undefined ? {} : { profileStep }),
    ...(lossReduction === undefined ? {} : { lossReduction }),
  };
}

/** Over what a run is divided: each is 1, for it is not. */
export interface ParallelSizes {
  readonly devices?: number;
  readonly numNodes?: number;
  readonly tensorModelParallelSize?: number;
  readonly pipelineModelParallelSize?: number;
}

const REASONS = {
  devices: "a run is one process, which uses the threads of one machine",
  numNodes: "a run is one process, which uses the threads of one machine",
  tensorModelParallelSize: "models are not divided",
  pipelineModelParallelSize: "models are not divided",
} as const;

/** @throws UnsupportedFeatureError for another size than 1 */
export function assertOneProcess(options: ParallelSizes): void {
  for (const [name, reason] of Object.entries(REASONS)) {
    const size = options[name as keyof ParallelSizes] ?? 1; // proof: the names of REASONS
    if (size === 1) continue;
    throw new UnsupportedFeatureError("parallel", `${name} is ${size}: ${reason}`, {
      suggestions: [`${name} 1; for a larger batch accumulateGradBatches`],
    });
  }
}
