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

type SizeNames = Readonly<Record<"devices" | "numNodes" | "accumulateGradBatches", string>>;

const OPTION_NAMES: SizeNames = {
  devices: "devices",
  numNodes: "numNodes",
  accumulateGradBatches: "accumulateGradBatches",
};

/**
 * @param worldSize processes that there are
 * @param names what the user calls the options. Default: as they are called here
 * @throws InvalidArgumentError when `devices * numNodes` says something else (1 says nothing),
 *   UnsupportedFeatureError for a divided model
 */
export function assertRanks(
  options: ParallelSizes,
  worldSize: number,
  names: SizeNames = OPTION_NAMES,
): void {
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
  const given = [
    ...(devices === 1 ? [] : [{ name: names.devices, size: devices }]),
    ...(numNodes === 1 ? [] : [{ name: names.numNodes, size: numNodes }]),
  ];
  const sizes = given.map(({ name, size }) => `${name} is ${size}`).join(", ");
  const message = `${sizes}: ${processes} processes, but ${started}`;
  const ones = given.map(({ name }) => `${name} 1`).join(", ");
  throw new InvalidArgumentError("devices", devices, message, {
    suggestions: [
      `mpirun -n ${processes} scdl train ...`,
      `torchrun --no-python --nnodes ${numNodes} --nproc-per-node ${devices} scdl train ...`,
      `in one process: ${ones} and ${names.accumulateGradBatches} ${accumulated * processes} keep the global batch`,
    ],
  });
}
