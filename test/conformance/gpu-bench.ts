/** `npm run bench:gpu` on the processor: every program of the bundle runs, and says what it should. */
import { join } from "node:path";
import { bars } from "../bench/gpu/bars.ts";
import { readRows } from "../bench/gpu/report.ts";
import { REPOSITORY_ROOT, runProcess } from "../helpers/run-process.ts";
import type { Tally } from "./tally.ts";

/** Whether a processor is as fast as PyTorch on it is no question of these sizes. */
const OF_SPEED = /^(Speed|Memory and data \| steps that wait)/;

export async function checkGpuBench(tally: Tally, python: string, workspace: string) {
  if (process.platform !== "linux") {
    return tally.skip("bench:gpu on the processor", "the executor torch runs on Linux");
  }
  await tally.check("bench:gpu: the bundle's programs run, and PyTorch beside them", async () => {
    const bundle = join(REPOSITORY_ROOT, "test/bench/gpu/bundle.ts");
    const made = await runProcess(process.execPath, [bundle, workspace, "--link-node"]);
    if (made.code !== 0) return [`bundle.ts: ${made.stderr}`];
    const script = join(workspace, "run.sh");
    const args = ["--device", "torch-cpu", "--call", "0", "--out", "out", "--time-limit", "300"];
    const env = { ...process.env, PYTHON: python };
    const run = await runProcess("sh", [script, ...args], { env });
    if (run.code !== 0) return [`run.sh: ${run.stderr.slice(-500)}`];
    const rows = readRows(join(workspace, "out", "results.jsonl"));
    const errors = rows.flatMap((row) =>
      typeof row["error"] === "string" ? [`${row["part"]}: ${row["error"]}`] : [],
    );
    const missed = bars(rows).filter(({ result, section, what }) => {
      return result === "miss" && !OF_SPEED.test(`${section} | ${what}`);
    });
    return [...errors, ...missed.map(({ what, found }) => `${what}: ${found}`)];
  });
}
