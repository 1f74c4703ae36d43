import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { runScdl } from "../helpers/run-process.ts";
import { smallRow, writeSmallDataset } from "../helpers/small-dataset.ts";

/** "epoch batch row row ..." lines as rows of each batch. */
function printedBatches(stdout: string): Map<string, number[]> {
  const batches = new Map<string, number[]>();
  for (const line of stdout.split("\n").filter((text) => /^\d+ \d/.test(text))) {
    const [epoch, batch, ...rows] = line.split(" ");
    batches.set(`${epoch} ${batch}`, rows.filter(Boolean).map(Number));
  }
  return batches;
}

function mpi(rank: number, size: number): NodeJS.ProcessEnv {
  const variables = { OMPI_COMM_WORLD_RANK: `${rank}`, OMPI_COMM_WORLD_SIZE: `${size}` };
  return { ...process.env, ...variables };
}

test("processes of one job stream disjoint, complete shares, and go on alone where they stopped", async () => {
  const folder = temporaryDirectory();
  const dataset = await writeSmallDataset(join(folder, "small.scdl"));
  const common = ["stream", dataset, "--print-rows", "--global-batch-size", "6", "--seed", "5"];
  const state = join(folder, "state.json");
  const stopping = [...common, "--max-batches", "2", "--save-state", state];
  const ranks = [await runScdl(stopping, { env: mpi(1, 2) }), await runScdl(common)];
  expect(existsSync(state)).toBe(false);
  ranks.push(await runScdl(stopping, { env: mpi(0, 2) }));
  expect(JSON.parse(readFileSync(state, "utf8"))).toMatchObject({ epoch: 0, batch: 2 });
  const rest = await runScdl([...common, "--state", state, "--workers", "1"]);
  for (const { code, stderr } of [...ranks, rest])
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [second, alone, first, resumed] = [...ranks, rest].map(({ stdout }, i) =>
    // Of several processes every line begins with the rank.
    printedBatches(i === 0 || i === 2 ? stdout.replaceAll(/^[01] (?=\d)/gm, "") : stdout),
  );
  expect(ranks[0]?.stdout.match(/^\d+ \d+ \d+/gm)).toEqual([
    expect.stringMatching(/^1 0 0/),
    expect.stringMatching(/^1 0 1/),
  ]);
  expect([...(alone?.values() ?? [])].flat().sort((a, b) => a - b)).toEqual(
    Array.from({ length: 23 }, (_, row) => row),
  );
  const joined = new Map([
    ...["0 0", "0 1"].map(
      (key) => [key, [...(first?.get(key) ?? []), ...(second?.get(key) ?? [])]] as const,
    ),
    ...(resumed ?? []),
  ]);
  expect(joined).toEqual(alone);
  expect(ranks[0]?.stdout).toMatch(
    /\nrank 1 of 2, epoch 0: 6 rows, \d+ values in 2 batches, .* rows\/s\n$/,
  );
});

test("processes of one job never read the state that one of them writes", async () => {
  const folder = temporaryDirectory();
  const dataset = await writeSmallDataset(join(folder, "small.scdl"));
  const first = join(folder, "1.json");
  const second = join(folder, "2.json");
  const common = ["stream", dataset, "--print-rows", "--global-batch-size", "6"];
  for (const more of [[], ["--save-state", join(folder, "x", "..", "1.json")]]) {
    const refused = await runScdl([...common, "--state", first, ...more], { env: mpi(0, 2) });
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("try: give another file with --save-state");
  }
  expect(existsSync(first)).toBe(false);
  expect((await runScdl([...common, "--max-batches", "1", "--state", first])).code).toBe(0);
  const going = [...common, "--max-batches", "1", "--state", first, "--save-state", second];
  // Rank 1 begins when rank 0 has ended.
  const rank0 = await runScdl(going, { env: mpi(0, 2) });
  const rank1 = await runScdl(going, { env: mpi(1, 2) });
  expect(rank0.stdout).toMatch(/^0 0 1 \d+ \d+ \d+\n/);
  expect(rank1.stdout).toMatch(/^1 0 1 \d+ \d+ \d+\n/);
  expect(JSON.parse(readFileSync(first, "utf8"))).toMatchObject({ batch: 1 });
  expect(JSON.parse(readFileSync(second, "utf8"))).toMatchObject({ batch: 2 });
});

test("scdl stream --json is one object with counts of every epoch", async () => {
  const dataset = await writeSmallDataset(join(temporaryDirectory(), "small.scdl"));
  const result = await runScdl([
    "stream",
    dataset,
    "--json",
    "--epochs",
    "2",
    "--obs",
    "cell_type",
  ]);
  expect(result).toMatchObject({ code: 0, stderr: "" });
  const values = Array.from({ length: 23 }, (_, row) => smallRow(row).data.length);
  expect(JSON.parse(result.stdout)).toMatchObject({
    nObs: 23,
    sampler: { name: "shuffled", seed: 42 },
    epochs: [0, 1].map((epoch) => ({
      epoch,
      batches: 1,
      rows: 23,
      values: values.reduce((sum, count) => sum + count, 0),
    })),
    state: { epoch: 2, batch: 0 },
  });
});

test("a state of another data set or a broken one ends with one line and what to do", async () => {
  const folder = temporaryDirectory();
  const dataset = await writeSmallDataset(join(folder, "small.scdl"));
  const larger = await writeSmallDataset(join(folder, "larger.scdl"), { rows: 30 });
  const state = join(folder, "state.json");
  expect((await runScdl(["stream", dataset, "--state", state])).code).toBe(0);
  const other = await runScdl(["stream", larger, "--state", state]);
  expect(other).toMatchObject({ code: 1, stdout: "" });
  expect(other.stderr).toMatch(
    /^error: the state was made with another data set: nObs 23 instead of 30/,
  );
  writeFileSync(state, "{");
  const broken = await runScdl(["stream", dataset, "--state", state]);
  expect(broken.stderr).toContain("expected the JSON of a state");
});
