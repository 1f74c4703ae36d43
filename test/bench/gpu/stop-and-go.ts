/**
 * A run that is stopped and goes on against one that never stopped: stop-and-go.ts STEPS DEVICE FOLDER.
 * Prints the largest relative difference of the losses after the stop, with the usual kernels and with
 * those that are the same every time, whose weights must be the same bit for bit.
 */
import { join } from "node:path";
import { differing, shortRun } from "./short-run.ts";

const [steps = "20", device = "torch-cpu", folder = "stop-and-go"] = process.argv.slice(2);
const all = Number(steps);
const half = Math.floor(all / 2);
const found: Record<string, object> = {};
for (const [name, deterministic] of [
  ["usual", false],
  ["deterministic", true],
] as const) {
  const isLarge = device.startsWith("cuda");
  const run = {
    device,
    isLarge,
    steps: all,
    options: { precision: "bf16-mixed", deterministic },
  } as const;
  const whole = await shortRun({ ...run, folder: join(folder, `${name}-whole`) });
  const cut = { ...run, folder: join(folder, `${name}-cut`) };
  const first = await shortRun({ ...cut, stopAt: half });
  const second = await shortRun(cut);
  const losses = [...first.losses, ...second.losses];
  const apart = whole.losses.map((loss, at) => Math.abs((losses[at] ?? Number.NaN) / loss - 1));
  const different = differing(whole.weights, second.weights);
  const worst = Math.max(...apart);
  found[name] = {
    worst,
    steps: losses.length,
    of: different.length,
    different: different.slice(0, 3),
  };
  console.log(JSON.stringify(found));
}
