import { spawnSync } from "node:child_process";

/** MiB in use on the first GPU, as the driver's program says; null where it does not. */
export function usedMiB(): number | null {
  const asked = spawnSync("nvidia-smi", [
    "--query-gpu=memory.used",
    "--format=csv,noheader,nounits",
  ]);
  return asked.status === 0 ? Number.parseInt(asked.stdout.toString(), 10) : null;
}
