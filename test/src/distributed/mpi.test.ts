import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { processPlace } from "../../../src/distributed/environment.ts";
import { loadOpenMpi } from "../../../src/distributed/mpi/open-mpi.ts";
import { openCommunicator } from "../../../src/distributed/open-communicator.ts";
import { hasMpi, mpirun } from "../../helpers/mpirun.ts";

const fixture = new URL("./mpi-rank.fixture.ts", import.meta.url).pathname;

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

test("without MPI, and with a library that is none, the error says what was found", () => {
  expect(() => loadOpenMpi("/nowhere/libmpi.so.40")).toThrow("Open MPI's library is not there");
  const libc = process.platform === "linux" ? "libm.so.6" : "libSystem.dylib";
  expect(() => loadOpenMpi(libc)).toThrow(`${libc} is no MPI, expected Open MPI`);
});

test("MPICH's launcher without a place to meet is refused, one process is alone", async () => {
  const place = processPlace({ PMI_RANK: "0", PMI_SIZE: "2" });
  await expect(openCommunicator({ place })).rejects.toThrow(/MPICH's or Intel MPI's mpiexec/);
  await using alone = await openCommunicator({ place: processPlace({}) });
  expect([alone.name, alone.rank, alone.worldSize]).toEqual(["single", 0, 1]);
  const values = Float32Array.of(1, 2);
  await alone.allReduceSum([values]);
  expect([...values]).toEqual([1, 2]);
  expect(await alone.allGather(Uint8Array.of(4))).toEqual([Uint8Array.of(4)]);
});

/** MPICH's library as Debian installs it, where there is one. */
test("a machine's MPICH is named", ({ skip }) => {
  const found = spawnSync("sh", ["-c", "ldconfig -p | grep -o 'libmpich.so.12' | head -1"]);
  const name = found.stdout.toString().trim();
  if (name === "") skip("no MPICH on this machine");
  expect(() => loadOpenMpi(name)).toThrow(/MPICH Version/);
});
