import { join } from "node:path";
import { expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { streamDataset } from "../../../src/data/stream.ts";
import { processPlace } from "../../../src/distributed/environment.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { writeSmallDataset } from "../../helpers/small-dataset.ts";

test("torchrun, Open MPI and srun are recognised, the inner launcher first", () => {
  const slurm = {
    SLURM_PROCID: "5",
    SLURM_STEP_NUM_TASKS: "6",
    SLURM_LOCALID: "1",
    SLURM_NODEID: "2",
    SLURM_STEP_TASKS_PER_NODE: "1(x2),4",
  };
  const openmpi = {
    OMPI_COMM_WORLD_RANK: "1",
    OMPI_COMM_WORLD_SIZE: "2",
    OMPI_COMM_WORLD_LOCAL_RANK: "1",
    OMPI_COMM_WORLD_LOCAL_SIZE: "2",
  };
  const torchrun = { RANK: "3", WORLD_SIZE: "8", LOCAL_RANK: "2", LOCAL_WORLD_SIZE: "4" };
  expect(processPlace(slurm)).toEqual({
    rank: 5,
    worldSize: 6,
    localRank: 1,
    localWorldSize: 4,
    launcher: "slurm",
  });
  expect(processPlace({ ...slurm, ...openmpi })).toEqual({
    rank: 1,
    worldSize: 2,
    localRank: 1,
    localWorldSize: 2,
    launcher: "openmpi",
  });
  expect(processPlace({ ...slurm, ...openmpi, ...torchrun })).toEqual({
    rank: 3,
    worldSize: 8,
    localRank: 2,
    localWorldSize: 4,
    launcher: "torchrun",
  });
});

test("MPICH and Intel MPI are recognised, also where Slurm starts their proxies", () => {
  const hydra = { PMI_RANK: "3", PMI_SIZE: "4", MPI_LOCALRANKID: "1" };
  const proxy = { SLURM_PROCID: "1", SLURM_STEP_NUM_TASKS: "2", SLURM_LOCALID: "0" };
  const place = { rank: 3, worldSize: 4, localRank: 1, localWorldSize: 1, launcher: "mpich" };
  expect(processPlace(hydra)).toEqual(place);
  expect(processPlace({ ...proxy, ...hydra })).toEqual(place);
  expect(processPlace({ ...hydra, MPI_LOCALNRANKS: "2" }).localWorldSize).toBe(2);
  const srun = { SLURM_PROCID: "3", SLURM_STEP_NUM_TASKS: "4", SLURM_LOCALID: "0" };
  expect(processPlace({ ...srun, PMI_RANK: "3", PMI_SIZE: "4" }).launcher).toBe("slurm");
});

test("without a launcher, and in a batch script of Slurm outside srun, a process is alone", () => {
  const alone = { rank: 0, worldSize: 1, localRank: 0, localWorldSize: 1, launcher: "none" };
  expect(processPlace({})).toEqual(alone);
  expect(processPlace({ SLURM_PROCID: "0", SLURM_NTASKS: "64", SLURM_JOB_ID: "9" })).toEqual(alone);
});

test.each([
  [{ RANK: "0" }, "WORLD_SIZE is not set"],
  [{ WORLD_SIZE: "2" }, "RANK is not set"],
  [{ RANK: "2", WORLD_SIZE: "2" }, "RANK is 2, expected an integer, 0 to 1"],
  [{ RANK: "-1", WORLD_SIZE: "2" }, "RANK is -1"],
  [{ RANK: "0", WORLD_SIZE: "two" }, "WORLD_SIZE is two"],
  [{ PMI_RANK: "0" }, "PMI_SIZE is not set"],
  [{ SLURM_PROCID: "1", SLURM_NTASKS: "4" }, "SLURM_STEP_NUM_TASKS is not set"],
  [{ SLURM_STEP_NUM_TASKS: "4" }, "SLURM_PROCID is not set"],
  [
    { SLURM_PROCID: "1", SLURM_STEP_NUM_TASKS: "4", SLURM_STEP_TASKS_PER_NODE: "all" },
    "SLURM_STEP_TASKS_PER_NODE is all",
  ],
  [{ OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "0" }, "OMPI_COMM_WORLD_SIZE is 0"],
])("%j is refused by name, never taken for one process", (environment, message) => {
  expect(() => processPlace(environment)).toThrow(InvalidArgumentError);
  expect(() => processPlace(environment)).toThrow(message);
});

test.each([
  ["torchrun", "RANK", "WORLD_SIZE"],
  ["Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"],
  ["srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"],
])("two processes of %s stream disjoint, complete shares", async (_launcher, rank, size) => {
  const dataset = await writeSmallDataset(join(temporaryDirectory(), "small.scdl"));
  const shares: number[][] = [];
  for (const process of ["0", "1"]) {
    const place = processPlace({ [rank]: process, [size]: "2" });
    const rows: number[] = [];
    const report = await streamDataset(dataset, {
      ...place,
      ...{ order: "shuffled", seed: 5, epochs: 1, workers: 0, globalBatchSize: 6 },
      onBatch: (batch) => rows.push(...batch.rows),
    });
    expect(report).toMatchObject({ rank: Number(process), worldSize: 2 });
    shares.push(rows);
  }
  expect(shares.map(({ length }) => length)).toEqual([11, 12]);
  expect(shares.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 23 }, (_, i) => i));
});
