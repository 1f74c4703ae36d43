import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { finished, hasMpi, mpirun } from "../helpers/mpirun.ts";
import { freePort } from "../helpers/ranks.ts";

const results = mkdtempSync(join(tmpdir(), "scdl-train-ranks-"));
afterAll(() => rmSync(results, { recursive: true, force: true }));

function command(name: string, flags: readonly string[]): string[] {
  const proteins = ["train", "valid"].flatMap((split) => [
    `--${split}-cluster-path=fixtures/proteins/${split}.parquet`,
    `--${split}-database-path=fixtures/proteins/database.db`,
  ]);
  const model = ["--num-layers=1", "--hidden-size=16", "--num-attention-heads=2"];
  const steps = ["--num-steps=12", "--max-seq-length=16", "--log-every-n-steps=1", "--threads=1"];
  const folder = [`--result-dir=${results}`, `--experiment-name=${name}`];
  return [
    "bin/scdl.js",
    "train",
    "esm2",
    "--json",
    ...proteins,
    ...model,
    ...steps,
    ...folder,
    ...flags,
  ];
}

/** Losses by step, as the run's folder has them. */
function losses(name: string): ReadonlyMap<number, number> {
  const lines = readFileSync(join(results, name, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n");
  const parsed = lines.map((line): Record<string, number> => JSON.parse(line));
  return new Map(
    parsed.flatMap(({ step = 0, reduced_train_loss: loss }) =>
      loss === undefined ? [] : [[step, loss] as const],
    ),
  );
}

function expectNear(name: string, other: string): void {
  const [one, two] = [losses(name), losses(other)];
  expect([...one.keys()]).toEqual([...two.keys()]);
  expect(one.size).toBe(12);
  for (const [step, loss] of one) {
    expect(Math.abs(loss - (two.get(step) ?? 0)), `step ${step}`).toBeLessThan(1e-5 * loss);
  }
}

test.skipIf(!hasMpi)(
  "mpirun trains as one process does, which can go on with it",
  async () => {
    const whole = finished(process.execPath, command("whole", ["--micro-batch-size=8"]), {});
    const halves = ["--micro-batch-size=4", "--early-stop-on-step=6", "--num-gpus=2"];
    const { status, stdout, stderr } = await mpirun(2, command("parts", halves));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    // One object: that of rank 0.
    expect(JSON.parse(stdout)).toMatchObject({ step: 6 });
    const rest = command("parts", ["--micro-batch-size=8", "--resume-if-exists"]);
    const [gone, alone] = await Promise.all([finished(process.execPath, rest, {}), whole]);
    expect([gone.status, alone.status]).toEqual([0, 0]);
    expectNear("parts", "whole");
  },
  60_000,
);

test("ranks of torchrun's variables meet by TCP; other numbers than the launcher's are refused", async () => {
  const port = String(await freePort());
  const start = (rank: number, flags: readonly string[]) =>
    finished(process.execPath, command("wrong", flags), {
      ...{ RANK: String(rank), WORLD_SIZE: "2", LOCAL_RANK: String(rank), LOCAL_WORLD_SIZE: "2" },
      ...{ MASTER_ADDR: "127.0.0.1", MASTER_PORT: port },
    });
  const [first, second] = await Promise.all([start(0, []), start(1, ["--num-nodes=3"])]);
  expect(second).toMatchObject({ status: 2, stdout: "" });
  expect(second.stderr).toMatch(/^rank 1: error: devices is 1, numNodes 3: 3 processes, but 2/);
  expect(first.status).toBe(1);
  expect(JSON.parse(first.stdout)).toMatchObject({ error: { code: "rank-failed" } });
});
