import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { processPlace } from "../../../src/distributed/environment.ts";
import { loadMpi } from "../../../src/distributed/mpi/mpi-library.ts";
import { openCommunicator } from "../../../src/distributed/open-communicator.ts";
import { finished, hasMpi, MPICH, mpirun } from "../../helpers/mpirun.ts";

const fixture = fileURLToPath(new URL("./mpi-rank.fixture.ts", import.meta.url));

test
  .skipIf(!hasMpi)
  .concurrent("sums, messages and bytes go between the ranks of mpirun", async () => {
    const { stdout, stderr, status } = await mpirun(2, [fixture]);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ rank }) => rank).sort()).toEqual([0, 1]);
    for (const line of lines) {
      const texts = [3, 252, 1000].map((length) => [0, 1].map((r) => [length * r + 1, 65 + r]));
      expect(line).toMatchObject({ worldSize: 2, name: "openmpi", isSum: true, byte: 2, texts });
      // The event loop went on while MPI added up.
      expect(line.ticks).toBeGreaterThan(0);
    }
  });

test
  .skipIf(!hasMpi)
  .concurrent("mpirun ends the others when a rank is killed, and says which", async () => {
    const { status, stdout, stderr } = await mpirun(2, [fixture, "dead"]);
    expect(status).not.toBe(0);
    expect(`${stdout}${stderr}`).toMatch(/rank 1 .* exited on signal 9/s);
  });

test
  .skipIf(!hasMpi)
  .concurrent("a rank that fails ends the others with its exit code", async () => {
    const { status, stderr } = await mpirun(2, [fixture, "fail"]);
    expect(status).toBe(7);
    expect(stderr).toMatch(/^rank 1: no space left/m);
  });

test
  .skipIf(!hasMpi)
  .concurrent("a rank of mpirun that is stopped is named, and the job ends", async () => {
    const { status, stderr } = await mpirun(3, [fixture, "stopped"]);
    expect(status).toBe(9);
    expect(stderr).toMatch(
      /^rank [02]: .*\(barrier\) took longer than 0.3 s; no answer from rank 1$/m,
    );
  });

test
  .skipIf(!hasMpi)
  .concurrent(
    "a rank that never starts MPI ends the job at the limit, and the terminal says why",
    async () => {
      const { status, stderr } = await mpirun(2, [fixture, "absent"]);
      expect(status).not.toBe(0);
      expect(stderr).toMatch(/^rank 0: MPI did not start in 2 s: .*rendezvous-failed/m);
      expect(stderr).toMatch(/^rank 0: try: .*--rank-timeout/m);
    },
  );

test("without MPI, and with a library that is none, the error says what was found", () => {
  const missing = "the library of MPI is not there";
  expect(() => loadMpi("openmpi", "/nowhere/libmpi.so.40")).toThrow(missing);
  const libc = process.platform === "linux" ? "libm.so.6" : "libSystem.dylib";
  const unknown = `${libc} is no MPI, expected Open MPI or MPICH`;
  expect(() => loadMpi("openmpi", libc)).toThrow(unknown);
});

test("one process is alone", async () => {
  await using alone = await openCommunicator({ place: processPlace({}) });
  expect([alone.name, alone.rank, alone.worldSize]).toEqual(["single", 0, 1]);
  const values = Float32Array.of(1, 2);
  await alone.allReduceSum([values]);
  expect([...values]).toEqual([1, 2]);
  expect(await alone.allGather(Uint8Array.of(4))).toEqual([Uint8Array.of(4)]);
});

test.skipIf(MPICH === null).concurrent.each([
  ["mpich", "libmpi.so.12"],
  ["mpi", "libmpi_abi.so.1"],
])("MPICH's ranks do the same by the ABI of %s", async (abi, library) => {
  const folder = MPICH ?? "";
  const environment = { SCDL_MPI_LIBRARY: join(folder, "lib", library) };
  const mpiexec = (...flags: readonly string[]) => {
    const args = ["-n", "2", process.execPath, fixture, ...flags];
    return finished(join(folder, "bin", "mpiexec"), args, environment);
  };
  const [sums, failed, stopped] = await Promise.all([
    mpiexec(),
    mpiexec("fail"),
    mpiexec("stopped"),
  ]);
  const lines = sums.stdout.trim().split("\n");
  const ranks = lines.map((line) => JSON.parse(line)).sort((one, two) => one.rank - two.rank);
  const expected = { worldSize: 2, name: abi, isSum: true, byte: 2 };
  expect(ranks).toMatchObject([0, 1].map((rank) => ({ ...expected, rank })));
  expect(failed).toMatchObject({ status: 7, stderr: expect.stringMatching(/^rank 1: no space/m) });
  expect(stopped.stderr).toMatch(/^rank 0: .*; no answer from rank 1$/m);
});
