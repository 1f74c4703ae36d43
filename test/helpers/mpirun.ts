import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";

/** Tests with Open MPI are skipped where it is not installed. */
export const hasMpi = spawnSync("mpirun", ["--version"]).stdout?.includes("Open MPI") ?? false;

/** The folder of an MPICH, e.g. of the Python package of that name, or null: SCDL_MPICH names it. */
export const MPICH = findMpich();

function findMpich(): string | null {
  const folder = process.env["SCDL_MPICH"];
  if (folder === undefined) return null;
  const { stdout } = spawnSync(join(folder, "bin", "mpiexec"), ["--version"]);
  return (stdout?.includes("HYDRA") ?? false) ? folder : null;
}

interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs node under mpirun, several ranks on this machine. */
export function mpirun(
  ranks: number,
  args: readonly string[],
  flags: readonly string[] = [],
): Promise<Finished> {
  const own = ["--oversubscribe", "--bind-to", "none", "-n", String(ranks), ...flags];
  return finished("mpirun", [...own, process.execPath, ...args], {
    OMPI_ALLOW_RUN_AS_ROOT: "1",
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
  });
}

/** Runs a program to its end. */
export function finished(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Finished> {
  const child = spawn(command, args, {
    timeout: 100_000,
    env: { ...process.env, NODE_OPTIONS: "", ...environment },
  });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, ...texts }));
  });
}
