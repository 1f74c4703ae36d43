import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runScdl } from "../helpers/run-process.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-train-config-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fasta = join(folder, "proteins.fasta");
const run = join(folder, "run.yaml");

const TINY = `
data_config:
  data: \${oc.env:PROTEINS}
  valid_share: 0.25
  max_seq_length: 16
  micro_batch_size: 2
training_config:
  max_steps: 6
  val_check_interval: 3
  limit_val_batches: 1.0
  threads: 1
bionemo_model_config:
  num_layers: 1
  hidden_size: 16
  num_attention_heads: 2
  hidden_dropout: 0.1
optim_config:
  lr: 0.02
  lr_scheduler: cosine
experiment_config:
  result_dir: ${folder}
  experiment_name: first
`;

beforeAll(() => {
  const residues = "MKTVRQERLKSIVRIL";
  const record = (row: number) => `>p${row}\n${residues.slice(row)}${residues.slice(0, row)}\n`;
  writeFileSync(fasta, Array.from({ length: 16 }, (_, row) => record(row)).join(""));
  writeFileSync(run, TINY);
});

const train = (...args: string[]) =>
  runScdl(["train", "esm2", ...args], { env: { ...process.env, PROTEINS: fasta } });
const weightsOf = (name: string, checkpoint: string) =>
  readFileSync(join(folder, name, "checkpoints", checkpoint, "model.safetensors"));
const newest = (name: string) =>
  readFileSync(join(folder, name, "checkpoints", "last"), "utf8").trim();

test("the configuration that a run leaves gives the same run again, bit for bit", async () => {
  const first = await train(
    "--config",
    run,
    "--seed",
    "7",
    "--set",
    "optim_config.weight_decay=0.1",
  );
  expect(first).toMatchObject({ code: 0, stderr: "" });
  const kept = join(folder, "first", "config.yaml");
  const text = readFileSync(kept, "utf8");
  // The flag's default of 8 is not a flag that was given, and 1.0 is a share.
  for (const line of [
    "micro_batch_size: 2",
    "seed: 7",
    "weight_decay: 0.1",
    "limit_val_batches: 1.0",
  ]) {
    expect(text).toContain(`${line}\n`);
  }
  expect(text).not.toContain("data_dir");
  expect(text).not.toContain("$");
  const again = await train("--config", kept, "--experiment-name", "again");
  expect(again).toMatchObject({ code: 0, stderr: "" });
  expect(newest("again")).toBe(newest("first"));
  expect(weightsOf("again", newest("again"))).toEqual(weightsOf("first", newest("first")));
  expect(readFileSync(join(folder, "again", "config.yaml"), "utf8")).toBe(
    text.replace("experiment_name: first", "experiment_name: again"),
  );
  const other = await train("--config", kept, "--experiment-name", "other", "--seed", "8");
  expect(other.code).toBe(0);
  expect(weightsOf("other", newest("other"))).not.toEqual(weightsOf("first", newest("first")));
});

test("a wrong value is told by the name that it was given", async () => {
  const wrong = async (...args: string[]) => {
    const { code, stderr } = await train("--config", run, "--experiment-name", "wrong", ...args);
    return { code, stderr };
  };
  const [different, unknown, pair, half] = await Promise.all([
    wrong("--lr", "1e-3", "--set", "optim_config.lr=2e-3"),
    wrong("--set", "optim_config.learning=1"),
    wrong("--lr-scheduler", "warmup_anneal", "--warmup-steps", "6"),
    wrong("--set", "optim_config.lr"),
  ]);
  expect(different.stderr).toContain("--lr and --set optim_config.lr=2e-3 are different");
  expect(unknown.stderr).toContain("unknown key optim_config.learning");
  expect(pair.stderr).toContain("--warmup-steps 6 leaves no step of training_config.max_steps 6");
  expect(half.stderr).toContain("--set optim_config.lr: expected KEY=VALUE");
  expect([different, unknown, pair, half].map(({ code }) => code)).toEqual([2, 2, 2, 2]);
  expect(existsSync(join(folder, "wrong"))).toBe(false);
});
