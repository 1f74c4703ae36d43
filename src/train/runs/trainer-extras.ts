import { InvalidArgumentError, UnsupportedFeatureError } from "../../../formats/common/errors.ts";
import type { TrainerOptions } from "../trainer-options.ts";

/** What a run passes on to its trainer as it is. */
export interface TrainerExtras
  extends Pick<
    TrainerOptions<never>,
    "earlyStopping" | "asyncSave" | "profileStep" | "shardOptimizer"
  > {
  /** How the losses of micro-batches become one, see `LossReduction`. Default "global". */
  readonly lossReduction?: "global" | "micro-batch";
}

export function trainerExtras(options: TrainerExtras): TrainerExtras {
  const { earlyStopping, asyncSave, profileStep, lossReduction, shardOptimizer } = options;
  return {
    ...(earlyStopping === undefined ? {} : { earlyStopping }),
    ...(asyncSave === undefined ? {} : { asyncSave }),
    ...(profileStep === undefined ? {} : { profileStep }),
    ...(lossReduction === undefined ? {} : { lossReduction }),
    ...(shardOptimizer === undefined ? {} : { shardOptimizer }),
  };
}

/** Over what a run is divided, as BioNeMo's programs have it. */
export interface ParallelSizes {
  /** Processes of a machine. Default: as many as were started. */
  readonly devices?: number;
  /** Default: as many as were started on. */
  readonly numNodes?: number;
  readonly tensorModelParallelSize?: number;
  readonly pipelineModelParallelSize?: number;
  /** Micro-batches of an update on each process. Default 1. */
  readonly accumulateGradBatches?: number;
}

/**
 * @param worldSize processes that there are
 * @throws InvalidArgumentError when `devices * numNodes` says something else (1 says nothing),
 *   UnsupportedFeatureError for a divided model
 */
export function assertRanks(options: ParallelSizes, worldSize: number): void {
  for (const name of ["tensorModelParallelSize", "pipelineModelParallelSize"] as const) {
    const size = options[name] ?? 1;
    if (size === 1) continue;
    throw new UnsupportedFeatureError("parallel", `${name} is ${size}: models are not divided`, {
      suggestions: [`${name} 1; for a larger batch accumulateGradBatches`],
    });
  }
  const { devices = 1, numNodes = 1, accumulateGradBatches: accumulated = 1 } = options;
  const processes = devices * numNodes;
  if (processes === 1 || processes === worldSize) return;
  const started = worldSize === 1 ? "this process is alone" : `${worldSize} processes were started`;
  const message = `devices is ${devices}, numNodes ${numNodes}: ${processes} processes, but ${started}`;
  throw new InvalidArgumentError("devices", devices, message, {
    suggestions: [
      `mpirun -n ${processes} scdl train ...`,
      `torchrun --no-python --nnodes ${numNodes} --nproc-per-node ${devices} scdl train ...`,
      `in one process: devices 1, numNodes 1 and accumulateGradBatches ${accumulated * processes} keep the global batch`,
    ],
  });
}
