import { expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { processPlace } from "../../../src/distributed/environment.ts";

test("torchrun, Open MPI and srun are recognised, the inner launcher first", () => {
  const slurm = { SLURM_PROCID: "5", SLURM_STEP_NUM_TASKS: "6", SLURM_LOCALID: "1" };
  const openmpi = {
    OMPI_COMM_WORLD_RANK: "1",
    OMPI_COMM_WORLD_SIZE: "2",
    OMPI_COMM_WORLD_LOCAL_RANK: "1",
  };
  const torchrun = { RANK: "3", WORLD_SIZE: "8", LOCAL_RANK: "2" };
  expect(processPlace(slurm)).toEqual({
    rank: 5,
    worldSize: 6,
    localRank: 1,
    launcher: "slurm",
  });
  expect(processPlace({ ...slurm, ...openmpi })).toEqual({
    rank: 1,
    worldSize: 2,
    localRank: 1,
    launcher: "openmpi",
  });
  expect(processPlace({ ...slurm, ...openmpi, ...torchrun })).toEqual({
    rank: 3,
    worldSize: 8,
    localRank: 2,
    launcher: "torchrun",
  });
});

test("without a launcher, and in a batch script of Slurm outside srun, a process is alone", () => {
  const alone = { rank: 0, worldSize: 1, localRank: 0, launcher: "none" };
  expect(processPlace({})).toEqual(alone);
  expect(processPlace({ SLURM_PROCID: "0", SLURM_NTASKS: "64", SLURM_JOB_ID: "9" })).toEqual(alone);
});

test.each([
  [{ RANK: "0" }, "WORLD_SIZE is not set"],
  [{ WORLD_SIZE: "2" }, "RANK is not set"],
  [{ RANK: "2", WORLD_SIZE: "2" }, "RANK is 2, expected an integer, 0 to 1"],
  [{ RANK: "-1", WORLD_SIZE: "2" }, "RANK is -1"],
  [{ RANK: "0", WORLD_SIZE: "two" }, "WORLD_SIZE is two"],
  [{ SLURM_STEP_NUM_TASKS: "4" }, "SLURM_PROCID is not set"],
  [{ OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "0" }, "OMPI_COMM_WORLD_SIZE is 0"],
])("%j is refused by name, never taken for one process", (environment, message) => {
  expect(() => processPlace(environment)).toThrow(InvalidArgumentError);
  expect(() => processPlace(environment)).toThrow(message);
});
