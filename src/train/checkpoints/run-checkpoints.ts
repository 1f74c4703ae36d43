import type { OptimizerSettings, ParameterState } from "../../tensor/index.ts";
import type { EarlyStopping } from "../early-stopping.ts";
import type { Milestones } from "../milestones.ts";
import type { OptimizerShards } from "../ranks/optimizer-shards.ts";
import type { Replicas } from "../ranks/replicas.ts";
import type { RunPlace } from "../run-place.ts";
import { type FoundRun, momentsOf, resumeRun } from "../runs/resumed-run.ts";
import type { TrainerOptions } from "../trainer-options.ts";
import { CheckpointSaver } from "./checkpoint-saver.ts";
import { snapshot } from "./snapshot.ts";
import { storedCompanions } from "./training-weights.ts";

/** The parts of a run that its checkpoints are made of. */
export interface RunParts {
  readonly optimizer: OptimizerSettings;
  readonly place: RunPlace;
  readonly milestones: Milestones;
  readonly earlyStopping: EarlyStopping | null;
  readonly replicas: Replicas;
  readonly shards: OptimizerShards | null;
}

/** Where a run goes on from, and what it writes: by rank 0, of what all ranks have. */
export class RunCheckpoints<B> {
  readonly #options: TrainerOptions<B>;
  readonly #parts: RunParts;
  /** Of the weights to begin with, or of the checkpoint that the run goes on from. */
  #companions: ReadonlyMap<string, Float32Array>;
  #saver: CheckpointSaver | null = null;

  constructor(options: TrainerOptions<B>, parts: RunParts) {
    this.#options = options;
    this.#parts = parts;
    this.#companions = options.weights ?? new Map();
  }

  /** Null before {@link resume}, without checkpoints, and on ranks other than 0. */
  get saver(): CheckpointSaver | null {
    return this.#saver;
  }

  /** Puts the run where its newest checkpoint stands; null where there is none to go on from. */
  async resume(state: ParameterState, seed: number): Promise<FoundRun | null> {
    const { checkpoints, resumeIfExists = true, asyncSave = true, observer } = this.#options;
    const { optimizer, place, earlyStopping, replicas, shards } = this.#parts;
    const { isFirst } = replicas;
    const from = resumeIfExists && isFirst ? (checkpoints?.newest()?.path ?? null) : null;
    if (checkpoints !== undefined && isFirst) {
      this.#saver = new CheckpointSaver(checkpoints, {
        isAsync: asyncSave,
        newest: from,
        onSaved: ({ step, path }) => observer?.saved?.({ step, path }),
      });
    }
    const given = { state, seed, optimizer, replicas, shards };
    const run = await resumeRun(from, { ...this.#options, ...given });
    if (run === null) return null;
    place.resume(run);
    if (from !== null) this.#companions = storedCompanions(from, this.#options.model);
    if (run.progress.lossScale !== undefined) await state.lossScale?.(run.progress.lossScale);
    if (run.progress.earlyStopping !== null) earlyStopping?.loadState(run.progress.earlyStopping);
    return run;
  }

  /** Writes the run as it stands, unless a checkpoint has it already or its weights diverged. */
  async save(state: ParameterState): Promise<void> {
    const { optimizer, place, milestones, earlyStopping, replicas, shards } = this.#parts;
    if (this.#options.checkpoints === undefined || place.isSaved) return;
    if (place.divergedLoss !== null) return; // the last good one is where to go on
    const { step, validationDue } = place;
    await replicas.assertSameWeights(state, step);
    const isEnd = earlyStopping?.isOver === true;
    const isStop = validationDue || !(milestones.savesAfter(step) || isEnd);
    const scale = (await state.lossScale?.()) ?? null;
    const stands = place.state(isStop, earlyStopping?.state() ?? null, scale);
    const others = await shards?.collect(state, momentsOf(optimizer));
    const more = { state, optimizer, others, companions: this.#companions };
    await this.#saver?.save(() => snapshot(stands, { ...this.#options, ...more }));
    place.isSaved = true;
  }
}
