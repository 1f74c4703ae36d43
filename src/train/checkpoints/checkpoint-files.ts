/** The checkpoints of a run: which are there, which are kept, where to go on. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { writeAtomically } from "../../../formats/common/atomic-file.ts";
import {
  FormatError,
  fromFsError,
  InvalidArgumentError,
  NotFoundError,
} from "../../../formats/common/errors.ts";
import { makeDirectories } from "../../../formats/common/make-directories.ts";
import { isRunning } from "../../../formats/common/process-owner.ts";
import { bestOf, type MonitorMode } from "../metrics/monitored-metric.ts";
import {
  type Checkpoint,
  removeCheckpoint,
  verifyCheckpoint,
  type WriteCheckpointOptions,
  writeCheckpoint,
} from "./checkpoint.ts";
import { saveInThread } from "./checkpoint-thread.ts";
import { readTrainerFile, TRAINER_FILE, type TrainerState } from "./trainer-file.ts";

/** Names the checkpoint written last, for people and scripts. */
const LAST_FILE = "last";
const NAME = /^step=(\d+)(?:-.+)?$/;
const TEMPORARY = /^\.step=.+\.tmp-(\d+)-[0-9a-f]+$/;
const STEP_DIGITS = 6;

export interface CheckpointFilesOptions extends WriteCheckpointOptions {
  /** Checkpoints kept for their metric; -1 keeps all, 0 none. Default 2. */
  readonly saveTopK?: number;
  /** The metric they are chosen by, and which is part of the name. Default "val_loss". */
  readonly monitor?: string;
  /** Whether a smaller or a larger value is better. Default "auto", as `earlyStopping` has it. */
  readonly mode?: MonitorMode;
  /** Keep the newest as well, whatever its metric. Default true. */
  readonly saveLast?: boolean;
}

export interface CheckpointInfo {
  readonly path: string;
  readonly step: number;
  readonly trainer: TrainerState;
}

/** The folder of one run's checkpoints. One process writes to it at a time. */
export class CheckpointFiles {
  readonly directory: string;
  readonly #options: Required<
    Omit<CheckpointFilesOptions, keyof WriteCheckpointOptions | "mode">
  > & {
    readonly mode: "min" | "max";
  };
  readonly #writing: WriteCheckpointOptions;

  /** @throws InvalidArgumentError when the options keep no checkpoint at all, or say no mode of a metric */
  constructor(directory: string, options: CheckpointFilesOptions = {}) {
    const { saveTopK = 2, monitor = "val_loss", mode = "auto", saveLast = true } = options;
    if (!Number.isSafeInteger(saveTopK) || saveTopK < -1) {
      const message = `saveTopK is ${saveTopK}, expected -1 (all) or a number of checkpoints`;
      throw new InvalidArgumentError("saveTopK", saveTopK, message);
    }
    if (saveTopK === 0 && !saveLast) {
      throw new InvalidArgumentError("saveTopK", 0, "saveTopK 0 without saveLast keeps nothing", {
        suggestions: ["keep the last one, or write no checkpoints"],
      });
    }
    this.directory = directory;
    const best = bestOf(monitor, mode, "checkpoints");
    this.#options = { saveTopK, monitor, mode: best, saveLast };
    const { maxShardBytes } = options;
    this.#writing = maxShardBytes === undefined ? {} : { maxShardBytes };
  }

  /** The metric that checkpoints are chosen by. */
  get monitor(): string {
    return this.#options.monitor;
  }

  /**
   * Writes a checkpoint, points `last` at it, and then removes those that need not be kept. When it
   * cannot be written, those that are there stay.
   *
   * @returns the checkpoints kept, by step
   * @throws StorageError
   */
  save(checkpoint: Checkpoint): readonly CheckpointInfo[] {
    const { directory } = this;
    try {
      makeDirectories(directory);
    } catch (error) {
      throw fromFsError(error, directory);
    }
    this.#sweep();
    const name = checkpointName(checkpoint.trainer, this.#options.monitor);
    const path = join(directory, name);
    writeCheckpoint(path, checkpoint, this.#writing);
    const pointer = join(directory, LAST_FILE);
    writeAtomically(pointer, (file) => file.write(Buffer.from(`${name}\n`)), { overwrite: true });
    const written = this.list();
    // A run that went on from an earlier step comes to this one again.
    const again = ({ step, path: other }: CheckpointInfo): boolean =>
      step === checkpoint.trainer.step && other !== path;
    for (const info of written) if (again(info)) removeCheckpoint(info.path);
    const all = written.filter((info) => !again(info));
    const kept = new Set(this.#kept(all, path));
    for (const info of all) if (!kept.has(info)) removeCheckpoint(info.path);
    return all.filter((info) => kept.has(info));
  }

  /**
   * As `save()`, in another thread. The arrays of the checkpoint go over to it: their length is 0 at
   * once. One at a time: await the last before the next.
   */
  saveInBackground(checkpoint: Checkpoint): Promise<readonly CheckpointInfo[]> {
    return saveInThread(this.directory, { ...this.#options, ...this.#writing }, checkpoint);
  }

  /** Complete checkpoints, oldest step first; a removal that was interrupted leaves none. */
  list(): readonly CheckpointInfo[] {
    return listCheckpoints(this.directory);
  }

  /** The one with the best metric; null when none has it. */
  best(): CheckpointInfo | null {
    return this.#byMetric(this.list())[0] ?? null;
  }

  /**
   * Where to go on: the newest complete checkpoint, every byte of it checked; null when there is
   * none.
   *
   * @throws FormatError that names what is damaged, and the checkpoint before it to go on from
   */
  newest(): CheckpointInfo | null {
    const all = entriesOf(this.directory);
    const newest = all.at(-1);
    if (newest === undefined) return null;
    try {
      if (newest.info === null) throw newest.error;
      verifyCheckpoint(newest.path);
      return newest.info;
    } catch (error) {
      const before = beforeIn(all, newest);
      const way = before === null ? "start anew" : `go on from ${before}`;
      throw offering(error, [`remove ${newest.path}, and ${way}`]);
    }
  }

  #kept(all: readonly CheckpointInfo[], written: string): readonly CheckpointInfo[] {
    const { saveTopK, saveLast } = this.#options;
    if (saveTopK === -1) return all;
    const best = this.#byMetric(all).slice(0, saveTopK);
    // Without any metric there is no best: the newest ones stand in.
    if (best.length < saveTopK) {
      const others = all.filter((info) => !best.includes(info)).reverse();
      best.push(...others.slice(0, saveTopK - best.length));
    }
    return saveLast ? [...best, ...all.filter(({ path }) => path === written)] : best;
  }

  /** Best first; of equal ones the newer. Those without the metric are left out. */
  #byMetric(all: readonly CheckpointInfo[]): CheckpointInfo[] {
    const { monitor, mode } = this.#options;
    const sign = mode === "min" ? 1 : -1;
    const value = ({ trainer }: CheckpointInfo): number => sign * (trainer.metrics[monitor] ?? 0);
    return all
      .filter(({ trainer }) => trainer.metrics[monitor] !== undefined)
      .sort((a, b) => value(a) - value(b) || b.step - a.step);
  }

  /** Removes what writers that died have left. */
  #sweep(): void {
    for (const name of readdirSync(this.directory)) {
      const pid = Number(TEMPORARY.exec(name)?.[1]);
      // One process writes at a time, and this one not now.
      if (Number.isNaN(pid) || (pid !== process.pid && isRunning(pid))) continue;
      rmSync(join(this.directory, name), { recursive: true, force: true });
    }
  }
}

/** `step=000100`, with the metric where it has one: `step=000100-val_loss=2.3105`. */
export function checkpointName(state: TrainerState, monitor: string): string {
  const step = `step=${String(state.step).padStart(STEP_DIGITS, "0")}`;
  const value = state.metrics[monitor];
  if (value === undefined || !Number.isFinite(value)) return step;
  return `${step}-${monitor.replace(/[^\w.]/g, "_")}=${value.toFixed(4)}`;
}

/** Complete checkpoints in a folder, oldest step first; damaged ones are left out. */
export function listCheckpoints(directory: string): readonly CheckpointInfo[] {
  return entriesOf(directory).flatMap(({ info }) => (info === null ? [] : [info]));
}

type Entry = { readonly path: string; readonly step: number } & (
  | { readonly info: CheckpointInfo }
  | { readonly info: null; readonly error: FormatError }
);

/** Directories with a `trainer.json`, by step. */
function entriesOf(directory: string): readonly Entry[] {
  let names: readonly string[];
  try {
    names = existsSync(directory) ? readdirSync(directory) : [];
  } catch (error) {
    throw fromFsError(error, directory);
  }
  const found: Entry[] = [];
  for (const name of names) {
    const path = join(directory, name);
    const step = Number(NAME.exec(name)?.[1]);
    if (Number.isNaN(step) || !existsSync(join(path, TRAINER_FILE))) continue;
    try {
      const { trainer } = readTrainerFile(path);
      found.push({ path, step, info: { path, step: trainer.step, trainer } });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      found.push({ path, step, info: null, error });
    }
  }
  return found.sort((a, b) => a.step - b.step || (a.path < b.path ? -1 : 1));
}

/** The newest whole one of an earlier step. */
function beforeIn(all: readonly Entry[], { step }: { readonly step: number }): string | null {
  return all.findLast((entry) => entry.step < step && entry.info !== null)?.path ?? null;
}

/** What is damaged, with another way; other errors as they are. */
function offering(error: unknown, suggestions: readonly string[]): unknown {
  if (!(error instanceof FormatError)) return error;
  const { code, path, message } = error;
  return new FormatError(code, message.slice(path.length + 2), { path, cause: error, suggestions });
}

/**
 * Compares files of a checkpoint that is read for its weights with its checksums; does nothing for
 * a folder that is no checkpoint.
 *
 * @param isAsked which files, by name
 * @throws FormatError that names what is damaged, and the checkpoint before it
 */
export function verifyForReading(path: string, isAsked: (name: string) => boolean): void {
  if (!existsSync(join(path, TRAINER_FILE))) return;
  try {
    verifyCheckpoint(path, isAsked);
  } catch (error) {
    throw offering(error, otherWays(path));
  }
}

function otherWays(path: string): readonly string[] {
  const folder = join(path, "..");
  const step = Number(NAME.exec(basename(resolve(path)))?.[1]); // NaN: no other is before it
  const before = beforeIn(entriesOf(folder), { step });
  return [
    before === null ? "copy it again from where it is whole" : `use ${before}`,
    `files changed on purpose are read once ${join(path, TRAINER_FILE)} is removed`,
  ];
}

/**
 * The checkpoint that a path means: itself, or the newest one in a run's folder.
 * @throws NotFoundError; FormatError where the newest is damaged, with the one before it
 */
export function findCheckpoint(path: string): string {
  if (existsSync(join(path, TRAINER_FILE))) return path;
  const newest = entriesOf(path).at(-1);
  if (newest?.info === null) throw offering(newest.error, otherWays(newest.path));
  if (newest !== undefined) return newest.path;
  throw new NotFoundError("no-checkpoint", `${path}: no checkpoint and no folder of them`, {
    what: path,
    suggestions: [`name a folder with ${TRAINER_FILE} in it, e.g. ${basename(path)}/step=000100`],
  });
}
