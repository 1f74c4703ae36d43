import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { defaultRng } from "../../src/random/numpy-generator.ts";
import { AMINO_ACID_IDS, ESM_TOKENS } from "../../src/tokenize/esm-tokens.ts";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { runProcess, runScdl } from "../helpers/run-process.ts";
import { cellsOfKinds } from "../src/train/data/cells.fixture.ts";

/** 24 proteins of random residues. */
function proteins(folder: string): string {
  const rng = defaultRng(3);
  const path = join(folder, "proteins.fasta");
  const record = (row: number): string => {
    const residues = Array.from({ length: 12 + row }, () => {
      return ESM_TOKENS[AMINO_ACID_IDS[rng.integer(0, AMINO_ACID_IDS.length)] ?? 0];
    });
    return `>p${row}\n${residues.join("")}\n`;
  };
  writeFileSync(path, Array.from({ length: 24 }, (_, row) => record(row)).join(""));
  return path;
}

const SMALL = [
  ...["--num-layers", "1", "--hidden-size", "16", "--num-attention-heads", "2"],
  ...["--max-seq-length", "24", "--micro-batch-size", "4", "--valid-share", "0.25"],
  ...["--num-steps", "60", "--val-check-interval", "20", "--lr", "0.01", "--threads", "1"],
];

const weightsOf = (checkpoint: string) => readFileSync(join(checkpoint, "model.safetensors"));

test("scdl train esm2 interrupted and gone on with gives the weights of the run that was not", async () => {
  const folder = temporaryDirectory();
  const train = ["train", "esm2", "--data", proteins(folder), ...SMALL, "--result-dir", folder];
  const uninterrupted = runScdl([...train, "--experiment-name", "whole"]);
  const interrupted = async (name: string) => {
    let isAsked = false;
    const parts = [...train, "--experiment-name", name];
    const stopped = await runScdl(parts, {
      onStdout: (child, stdout) => {
        if (isAsked || !stdout.includes("step 10/")) return;
        isAsked = true;
        child.kill("SIGINT");
      },
    });
    return { name, parts, stopped };
  };
  // Where this process is not given the processor the other one may reach its end first.
  let attempt = await interrupted("parts");
  for (let i = 2; i < 5 && attempt.stopped.code === 0; i++)
    attempt = await interrupted(`parts${i}`);
  const { name, parts, stopped } = attempt;
  const whole = await uninterrupted;
  expect(whole).toMatchObject({ code: 0, stderr: "" });
  expect(whole.stdout).toMatch(
    /^read 24 proteins\nstep 10\/60 {2}loss \d\.\d+ {2}lr \S+ {2}[\d,]+ tokens\/s/,
  );
  expect(whole.stdout).toContain(`  report ${join(folder, "whole", "report.html")}\n`);
  const [, last = ""] = /checkpoint (\S+)\n$/.exec(whole.stdout) ?? [];
  expect(last).toMatch(/whole\/checkpoints\/step=000060-val_loss=\d\.\d{4}$/);
  expect(stopped).toMatchObject({ code: 130, stderr: "" });
  expect(stopped.stdout).toContain(
    "\nstopping after the steps in progress; Ctrl-C again ends at once, ",
  );
  expect(stopped.stdout).toMatch(/stopped after step \d+, .*\n/);
  expect(stopped.stdout).toMatch(/go on: the same command with --resume-if-exists\n$/);
  const [refused, gone] = [
    await runScdl(parts),
    await runScdl([...parts, "--resume-if-exists", "--json"]),
  ];
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/parts\d?: has a run of \d+ steps \[already-exists\]\n/);

  const result = JSON.parse(gone.stdout);
  expect(result).toMatchObject({ step: 60, reason: "max-steps", trainClusters: 18 });
  expect(weightsOf(result.checkpoint)).toEqual(weightsOf(last));

  const lines = readFileSync(join(folder, name, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n");
  const records = lines.map((line) => JSON.parse(line));
  const losses = records.filter((record) => "reduced_train_loss" in record);
  expect(losses.map(({ step }) => step)).toEqual([10, 20, 30, 40, 50, 60]);
  expect(losses[5].reduced_train_loss).toBeLessThan(losses[0].reduced_train_loss);
  const where = ["--checkpoint-path", join(folder, name, "checkpoints"), "--results-path", folder];
  const inferred = await runScdl(["infer", "esm2", "--data-path", proteins(folder), ...where]);
  expect(inferred.stdout).toMatch(
    /predictions.safetensors: 24 proteins, embeddings \[24,16\], lengths \[24\]\n$/,
  );
  expect(JSON.parse(readFileSync(join(last, "config.json"), "utf8"))).toMatchObject({
    model_type: "esm",
    num_hidden_layers: 1,
  });
});

test("wrong data and numbers are told without a run's folder", async () => {
  const folder = temporaryDirectory();
  const train = (...args: string[]) => runScdl(["train", "esm2", "--result-dir", folder, ...args]);
  const [nothing, rate, missing, divided] = await Promise.all([
    train(),
    train("--data", "x.fasta", "--lr", "fast"),
    train("--data", "x.fasta"),
    train("--data", "x.fasta", "--tensor-model-parallel-size", "2"),
  ]);
  expect(divided.stderr).toContain("--tensor-model-parallel-size is 2: models are not divided");
  expect(divided.code).toBe(1);
  expect(nothing.code).toBe(2);
  expect(nothing.stderr).toContain("try: --data proteins.fasta");
  expect(rate.stderr).toContain('--lr: expected a number, found "fast"');
  expect(missing.stderr).toContain("x.fasta");
  expect(missing.code).toBe(1);
  expect(existsSync(join(folder, "esm2"))).toBe(false);
});

test("scdl train geneformer trains on a folder of SCDL data sets", async () => {
  const folder = temporaryDirectory();
  const data = join(folder, "cells");
  await cellsOfKinds(data);
  const { code, stdout, stderr } = await runScdl([
    ...["train", "geneformer", "--data-dir", data, "--result-dir", folder, "--seq-length", "16"],
    ...["--num-layers", "1", "--hidden-size", "16", "--num-attention-heads", "2"],
    ...["--num-steps", "20", "--lr", "0.01", "--threads", "1", "--layout", "bert"],
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^step 10\/20 {2}loss \d\.\d+ /);
  const [, checkpoint = ""] = /done: step 20, val loss .*checkpoint (\S+)\n$/s.exec(stdout) ?? [];
  const { trainer, model } = {
    trainer: JSON.parse(readFileSync(join(checkpoint, "trainer.json"), "utf8")),
    model: JSON.parse(readFileSync(join(checkpoint, "config.json"), "utf8")),
  };
  expect(trainer).toMatchObject({
    step: 20,
    config: { data_config: { data_dir: data }, optim_config: { cosine_hold_frac: 0.05 } },
  });
  expect(model).toMatchObject({ model_type: "bert", intermediate_size: 512, vocab_size: 128 });
});

test.skipIf(process.platform === "win32")(
  "a disk that becomes full ends training with the checkpoint to go on from",
  async () => {
    const folder = temporaryDirectory();
    // Blocks of 512 or 1024 bytes, by shell: checkpoints are smaller, the lines of all steps larger.
    const limited = 'ulimit -f 100; exec "$0" bin/scdl.js "$@"';
    const train = ["train", "esm2", "--data", proteins(folder), ...SMALL, "--result-dir", folder];
    const long = ["--num-steps=100000", "--log-every-n-steps=1", "--limit-val-batches=0"];
    const args = [process.execPath, ...train, ...long];
    const { code, stderr } = await runProcess("sh", ["-c", limited, ...args]);
    expect(code).toBe(1);
    const [path = ""] = /\S+step=\d+/.exec(stderr) ?? [];
    expect(stderr.split("\n")).toEqual([
      `error: ${join(folder, "esm2", "metrics.jsonl")}: the file would be larger than the system allows [disk-full]`,
      "  try: raise the limit (ulimit -f) or choose another file system",
      `  try: go on from ${path}: the same command with --resume-if-exists`,
      "",
    ]);
    expect(existsSync(join(path, "trainer.json"))).toBe(true);
  },
);
