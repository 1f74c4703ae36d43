import { InvalidArgumentError } from "../../formats/common/errors.ts";

/** One process of a job, and what told so. */
export interface ProcessPlace {
  /** 0 to worldSize - 1. */
  readonly rank: number;
  /** Processes of the job. */
  readonly worldSize: number;
  /** Among the processes of this machine; 0 when the launcher does not say. */
  readonly localRank: number;
  /** Processes of this machine; 1 when the launcher does not say. */
  readonly localWorldSize: number;
  readonly launcher: "torchrun" | "openmpi" | "mpich" | "slurm" | "none";
}

interface Names {
  readonly launcher: ProcessPlace["launcher"];
  readonly rank: string;
  readonly worldSize: string;
  readonly localRank: string;
  readonly localWorldSize: string;
}

/** The inner launcher first: torchrun and mpirun are themselves started by Slurm. */
const LAUNCHERS: readonly Names[] = [
  {
    launcher: "torchrun",
    rank: "RANK",
    worldSize: "WORLD_SIZE",
    localRank: "LOCAL_RANK",
    localWorldSize: "LOCAL_WORLD_SIZE",
  },
  {
    launcher: "openmpi",
    rank: "OMPI_COMM_WORLD_RANK",
    worldSize: "OMPI_COMM_WORLD_SIZE",
    localRank: "OMPI_COMM_WORLD_LOCAL_RANK",
    localWorldSize: "OMPI_COMM_WORLD_LOCAL_SIZE",
  },
  // Hydra, the launcher of MPICH and Intel MPI.
  {
    launcher: "mpich",
    rank: "PMI_RANK",
    worldSize: "PMI_SIZE",
    localRank: "MPI_LOCALRANKID",
    localWorldSize: "MPI_LOCALNRANKS",
  },
  // Only srun sets the number of tasks of a step: a batch script itself is one process, although
  // Slurm gives it SLURM_PROCID 0 and the SLURM_NTASKS of the whole job.
  {
    launcher: "slurm",
    rank: "SLURM_PROCID",
    worldSize: "SLURM_STEP_NUM_TASKS",
    localRank: "SLURM_LOCALID",
    localWorldSize: "SLURM_STEP_TASKS_PER_NODE",
  },
];

/**
 * Rank and world size as torchrun, Open MPI, MPICH, Intel MPI or Slurm's srun put them into the environment; rank 0
 * of 1 without any of them.
 *
 *     const { rank, worldSize } = processPlace();
 *     const loader = new Loader(dataset, sampler, { globalBatchSize: 512, rank, worldSize });
 *
 * @throws InvalidArgumentError naming the variable when one of a pair is missing or makes no sense.
 */
export function processPlace(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ProcessPlace {
  for (const names of LAUNCHERS) {
    const rank = environment[names.rank];
    const worldSize = environment[names.worldSize];
    if (rank === undefined && worldSize === undefined) continue;
    if (names.launcher === "slurm" && worldSize === undefined && rank?.trim() === "0") continue;
    if (names.launcher === "mpich" && isSrun(environment)) continue;
    const size = integer(names.worldSize, worldSize, 1, Number.MAX_SAFE_INTEGER);
    const localRank = environment[names.localRank];
    const local = environment[names.localWorldSize];
    const node = names.launcher === "slurm" ? environment["SLURM_NODEID"] : undefined;
    return {
      rank: integer(names.rank, rank, 0, size - 1),
      worldSize: size,
      localRank: localRank === undefined ? 0 : integer(names.localRank, localRank, 0, size - 1),
      localWorldSize:
        local === undefined
          ? 1
          : integer(names.localWorldSize, nthOfList(local, Number(node ?? 0)), 1, size),
      launcher: names.launcher,
    };
  }
  return { rank: 0, worldSize: 1, localRank: 0, localWorldSize: 1, launcher: "none" };
}

/**
 * Processes of a job that share this machine with this one, itself included; 1 where the launcher does
 * not say, or says what makes no sense.
 *
 * @param worldSize processes of the job
 */
export function processesHere(
  worldSize: number,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): number {
  try {
    return Math.min(worldSize, processPlace(environment).localWorldSize);
  } catch {
    // Whoever gives rank and world size may have an environment that nobody set for them.
    return 1;
  }
}

/** Slurm's srun sets PMI's variables, too, where a cluster has that plug-in. */
function isSrun(environment: Readonly<Record<string, string | undefined>>): boolean {
  const { PMI_RANK, PMI_SIZE, SLURM_PROCID, SLURM_STEP_NUM_TASKS } = environment;
  return PMI_RANK === SLURM_PROCID && PMI_SIZE === SLURM_STEP_NUM_TASKS;
}

/** Slurm has the tasks of all nodes in one text: "2(x3),1" are 2, 2, 2 and 1. */
function nthOfList(text: string, index: number): string {
  const counts = text.split(",").flatMap((part) => {
    const [, count, times = "1"] = /^(\d+)(?:\(x(\d{1,6})\))?$/.exec(part.trim()) ?? [];
    return count === undefined ? [part] : new Array<string>(Number(times)).fill(count);
  });
  return counts[index] ?? text;
}

function integer(name: string, text: string | undefined, least: number, most: number): number {
  const value = text !== undefined && /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `at least ${least}` : `${least} to ${most}`;
  throw new InvalidArgumentError(
    name,
    text,
    `environment variable ${name} is ${text ?? "not set"}, expected an integer, ${range}`,
    { suggestions: ["give rank and world size yourself", `unset the variables beside ${name}`] },
  );
}
