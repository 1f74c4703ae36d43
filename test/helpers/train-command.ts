import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

/** `scdl train esm2` of a very small model on the proteins of fixtures, 12 steps. */
export function trainCommand(
  results: string,
  name: string,
  flags: readonly string[],
): readonly string[] {
  const proteins = ["train", "valid"].flatMap((split) => [
    `--${split}-cluster-path=fixtures/proteins/${split}.parquet`,
    `--${split}-database-path=fixtures/proteins/database.db`,
  ]);
  return [
    ...["bin/scdl.js", "train", "esm2", "--json", ...proteins],
    ...["--num-layers=1", "--hidden-size=16", "--num-attention-heads=2", "--max-seq-length=16"],
    ...["--num-steps=12", "--log-every-n-steps=1", "--threads=1"],
    ...[`--result-dir=${results}`, `--experiment-name=${name}`, ...flags],
  ];
}

/** Losses by step, as the run's folder has them. */
function losses(results: string, name: string): ReadonlyMap<number, number> {
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

/** Twelve losses of two runs are the same to 1e-5. */
export function expectNearRuns(results: string, name: string, other: string): void {
  const [one, two] = [losses(results, name), losses(results, other)];
  expect([...one.keys()]).toEqual([...two.keys()]);
  expect(one.size).toBe(12);
  for (const [step, loss] of one) {
    expect(Math.abs(loss - (two.get(step) ?? 0)), `step ${step}`).toBeLessThan(1e-5 * loss);
  }
}
