import { spawnSync } from "node:child_process";

/** MiB in use on a GPU by all processes, as the driver's program says; null where it does not. */
export function usedMiB(device: string): number | null {
  if (!device.startsWith("cuda")) return null;
  const [, number = "0"] = device.split(":");
  // The driver's program does not know which GPUs a process was given.
  const given = process.env["CUDA_VISIBLE_DEVICES"]?.split(",")[Number(number)]?.trim() ?? number;
  const query = ["--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", given];
  const asked = spawnSync("nvidia-smi", query);
  return asked.status === 0 ? Number.parseInt(asked.stdout.toString(), 10) : null;
}
