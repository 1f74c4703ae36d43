import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { REPOSITORY_ROOT, runProcess, runScdl } from "../helpers/run-process.ts";
import { fixture } from "../src/models/model-fixture.ts";
import { labelledProteins } from "../src/train/data/labelled-proteins.fixture.ts";

test("scdl finetune esm2 takes the words of finetune_esm2 and says what of the weights it used", async () => {
  const folder = temporaryDirectory();
  const { train, valid } = labelledProteins(folder);
  const tune = [
    ...["finetune", "esm2", "--restore-from-checkpoint-path", fixture("esm2")],
    ...["--train-data-path", train, "--valid-data-path", valid, "--label-column", "groups"],
    ...["--result-dir", folder, "--num-steps", "4", "--val-check-interval", "2", "--threads", "1"],
    ...["--config-class", "ESM2FineTuneTokenConfig"],
  ];
  const perToken = ["--dataset-class", "InMemoryPerTokenValueDataset"];
  const [done, mixed] = await Promise.all([
    runScdl([...tune, ...perToken]),
    runScdl([...tune, "--dataset-class", "InMemorySingleValueDataset", "--experiment-name", "no"]),
  ]);
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(done.stdout).toMatch(/: 35 of 39 parameters loaded\n/);
  expect(done.stdout).toContain("initial values, skipped: classification_head.finetune_model.0");
  expect(done.stdout).toMatch(/step 4\/4 {2}val loss \d\.\d+ .*accuracy/);
  expect(mixed.code).toBe(2);
  expect(mixed.stderr).toContain("try: leave out the last two: --task-type token-classification");
  expect(existsSync(join(folder, "no"))).toBe(false);
});

test("scdl finetune takes a file, --set over it, and names the nearest key", async () => {
  const folder = temporaryDirectory();
  const { train } = labelledProteins(folder);
  const file = join(folder, "run.yaml");
  const values = [
    ...[`data_config.train_data_path=${train}`, "data_config.label_column=kind"],
    `bionemo_model_config.initial_ckpt_path=${fixture("esm2")}`,
    ...[`experiment_config.result_dir=${folder}`, "training_config.threads=1"],
  ];
  const recipe = ["recipe", "esm2-classification", "--output", file, "--set", ...values];
  expect(await runScdl(recipe)).toMatchObject({ code: 0, stderr: "" });
  const tune = ["finetune", "esm2", "--config", file];
  const [done, unknown, perToken] = await Promise.all([
    runScdl([...tune, "--num-steps", "1", "--set", "optim_config.lr=2e-3"]),
    runScdl([...tune, "--set", "data_config.label_colum=kind"]),
    runScdl([
      ...tune,
      "--config-class",
      "ESM2FineTuneSeqConfig",
      "--task-type",
      "token-classification",
    ]),
  ]);
  expect(done).toMatchObject({ code: 0, stderr: "" });
  const kept = readFileSync(join(folder, "esm2-classification", "config.yaml"), "utf8");
  for (const line of ["max_steps: 1", "lr: 0.002", "task_type: classification"]) {
    expect(kept).toContain(`${line}\n`);
  }
  expect(kept).toContain("lr_scheduler: constant\n");
  expect(kept).toContain("warmup_steps: 0\n");
  expect(kept).not.toMatch(/num_layers|\?\?\?/);
  expect(unknown.stderr).toContain("did you mean data_config.label_column?");
  expect(perToken.stderr).toContain("say both one label a protein and one a residue");
  expect([unknown, perToken].map(({ code }) => code)).toEqual([2, 2]);
});

test("docs/examples/finetune.mjs beats the mean by far", async () => {
  const example = join(REPOSITORY_ROOT, "docs/examples/finetune.mjs");
  const { code, stdout, stderr } = await runProcess(process.execPath, [example, "40"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [variance = 0, error = 1] = stdout.match(/\d\.\d+/g)?.map(Number) ?? [];
  expect(error).toBeLessThan(0.3 * variance);
});
