import type { OptimizerSettings, ParameterState } from "../../tensor/index.ts";
import type { OtherMoments } from "../ranks/optimizer-shards.ts";
import type { RunPlace } from "../run-place.ts";
import { versionsOf } from "../runs/package-version.ts";
import { momentsOf } from "../runs/resumed-run.ts";
import type { TrainerOptions } from "../trainer-options.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { savedTensors } from "./training-weights.ts";

/** A run as it stands now: weights and optimizer state are copies. */
export async function snapshot<B>(
  place: ReturnType<RunPlace["state"]>,
  run: TrainerOptions<B> & {
    readonly state: ParameterState;
    readonly optimizer: OptimizerSettings;
    /** Moments that other ranks have. */
    readonly others?: OtherMoments | undefined;
    /** Tensors that stand beside the parameters, as they came. */
    readonly companions: ReadonlyMap<string, Float32Array>;
  },
): Promise<Checkpoint> {
  const { model, data, state, optimizer, executor, files, others, companions } = run;
  const { seed = 42, config = null } = run;
  return {
    ...(await savedTensors(state, model, momentsOf(optimizer), others, companions)),
    modelConfig: model.config,
    ...(files === undefined ? {} : { files }),
    trainer: {
      ...place,
      data: data.state(),
      random: { seed },
      config,
      versions: versionsOf(executor.name),
    },
  };
}
