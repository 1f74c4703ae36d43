import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { expandPaths } from "../../../../src/train/config/expand-paths.ts";
import { limit, readField } from "../../../../src/train/config/field.ts";
import { loadRunConfig, type RunConfigOptions } from "../../../../src/train/config/run-config.ts";
import { isFieldOf, type RunModel } from "../../../../src/train/config/run-kinds.ts";
import { configOfOptions, runOptions } from "../../../../src/train/config/run-options.ts";
import { parseSetting } from "../../../../src/train/config/set-values.ts";
import { scheduleOf } from "../../../../src/train/runs/run-schedule.ts";

/** Another value than the default for every key that options know. */
const OTHERS = {
  "data_config.data": ["a.fasta", "b.fasta"],
  "data_config.valid_share": 0.5,
  "data_config.micro_batch_size": 3,
  "data_config.seed": 1,
  "parallel_config.accumulate_grad_batches": 2,
  "training_config.max_steps": 900,
  "training_config.early_stop_on_step": 5,
  "training_config.early_stopping_patience": 4,
  "training_config.early_stopping_monitor": "reduced_train_loss",
  "training_config.early_stopping_min_delta": 0.5,
  "training_config.early_stopping_mode": "max",
  "training_config.loss_reduction": "micro-batch",
  "training_config.profile_step": 2,
  "training_config.limit_val_batches": "0.5",
  "training_config.val_check_interval": 7,
  "training_config.log_every_n_steps": 3,
  "training_config.log_train_ppl": true,
  "training_config.log_val_ppl": false,
  "training_config.enable_checkpointing": false,
  "training_config.executor": "torch",
  "training_config.device": "cuda:1",
  "training_config.libtorch": "venv",
  "training_config.precision": "16-mixed",
  "training_config.deterministic": true,
  "training_config.tf32": true,
  "bionemo_model_config.initial_ckpt_skip_keys_with_these_prefixes": ["lm_head"],
  "training_config.threads": 1,
  "optim_config.lr": 0.5,
  "optim_config.adam_beta1": 0.5,
  "optim_config.adam_beta2": 0.5,
  "optim_config.adam_eps": 0.5,
  "optim_config.weight_decay": 0.5,
  "optim_config.clip_grad": 0.5,
  "optim_config.lr_scheduler": "constant",
  "optim_config.warmup_steps": 4,
  "optim_config.min_lr": 0.1,
  "optim_config.cosine_rampup_frac": 0.5,
  "optim_config.cosine_hold_frac": 0.25,
  "optim_config.max_steps": 800,
  "experiment_config.result_dir": "x",
  "experiment_config.experiment_name": "y",
  "experiment_config.restore_from_checkpoint_path": "z",
  "experiment_config.ckpt_async_save": false,
  "experiment_config.save_last_checkpoint": false,
  "experiment_config.metric_to_monitor_for_checkpoints": "reduced_train_loss",
  "experiment_config.save_top_k": 5,
  "experiment_config.create_tensorboard_logger": true,
};
const OF_ESM2 = {
  "data_config.max_seq_length": 99,
  "data_config.min_seq_length": null,
  "data_config.random_mask_strategy": "amino_acids_only",
};
const OF_GENEFORMER = {
  "data_config.seq_length": 99,
  "data_config.medians": "m",
  "data_config.vocab": "v",
  "data_config.genes": "g",
  "data_config.matrix": "X",
  "data_config.include_unrecognized_vocab_in_dataset": true,
};

const OF_HEADS = {
  "data_config.label_column": "l",
  "data_config.task_type": "classification",
  "bionemo_model_config.encoder_frozen": true,
  "bionemo_model_config.keep_head": true,
  "bionemo_model_config.mlp_ft_dropout": 0.5,
  "bionemo_model_config.mlp_hidden_size": 7,
  "bionemo_model_config.mlp_target_size": 4,
  "bionemo_model_config.lora_finetune": true,
  "bionemo_model_config.lora_checkpoint_path": "x",
  "optim_config.scale_lr_layer": "_head",
  "optim_config.lr_multiplier": 10,
};
const OF_TABLES = {
  "data_config.train_data_path": "t",
  "data_config.valid_data_path": "v",
  "data_config.labels_mask_column": "m",
  "data_config.max_seq_length": 99,
  "data_config.min_seq_length": 9,
  "bionemo_model_config.cnn_dropout": 0.5,
  "bionemo_model_config.cnn_hidden_size": 7,
  "bionemo_model_config.cnn_num_classes": 4,
};
const INFERENCE = {
  "bionemo_model_config.initial_ckpt_path": "w",
  "data_config.data": "d",
  "inference_config.results_path": "r",
};
const NEEDED = {
  esm2: {},
  geneformer: {},
  "esm2-finetune": { "data_config.train_data_path": "t" },
  "geneformer-finetune": { "data_config.data_dir": "d", "data_config.label_column": "l" },
  "esm2-infer": INFERENCE,
  "geneformer-infer": INFERENCE,
};
const OF_INFERENCE = {
  ...INFERENCE,
  "inference_config.outputs": ["embeddings", "token_logits"],
  "inference_config.format": "npy",
  "inference_config.prediction_interval": "batch",
};

test.each([
  ["esm2", { ...OTHERS, ...OF_ESM2 }],
  ["geneformer", { ...OTHERS, ...OF_GENEFORMER }],
  ["esm2-finetune", { ...OTHERS, ...OF_HEADS, ...OF_TABLES }],
  ["geneformer-finetune", { ...OTHERS, ...OF_GENEFORMER, ...OF_HEADS }],
  ["esm2-infer", { ...OTHERS, ...OF_ESM2, ...OF_INFERENCE }],
  ["geneformer-infer", { ...OTHERS, ...OF_GENEFORMER, ...OF_INFERENCE }],
] as const)("options of %s say all that a configuration says", (model, all) => {
  const overrides = Object.fromEntries(
    Object.entries(all).filter(([key]) => isFieldOf(model, key)),
  );
  const config = loadRunConfig({ model, overrides });
  const options = runOptions(model, config);
  expect(configOfOptions(model, { ...options }, {})).toEqual(config);
  const usual = loadRunConfig({ model, overrides: NEEDED[model] });
  expect(configOfOptions(model, { ...runOptions(model, usual) }, {})).toEqual(usual);
});

test("a length that was asked for is told from the usual one", () => {
  const lengthOf = (overrides: Readonly<Record<string, unknown>>) => {
    const all = { ...NEEDED["geneformer-infer"], ...overrides };
    const config = loadRunConfig({ model: "geneformer-infer", overrides: all });
    expect(config.data_config.seq_length).toBe(2048);
    return runOptions("geneformer-infer", config).seqLength;
  };
  expect(lengthOf({})).toBeUndefined();
  expect(lengthOf({ "data_config.seq_length": 2048 })).toBe(2048);
});

test.each([
  [
    "esm2-finetune",
    "bionemo_model_config.num_layers",
    "it is of scdl train esm2 and scdl train geneformer",
  ],
  ["esm2-finetune", "data_config.data_dir", "it is of Geneformer"],
  ["esm2-finetune", "data_config.train_path", "unknown key data_config.train_path"],
  ["esm2", "data_config.label_column", "it is of scdl finetune esm2 and scdl finetune geneformer"],
  ["geneformer-finetune", "bionemo_model_config.cnn_dropout", "it is of ESM-2"],
  ["geneformer-finetune", "data_config.label", "unknown key data_config.label"],
  ["esm2-infer", "optim_config.lr", "it is of scdl train esm2"],
  ["geneformer-infer", "data_config.max_seq_length", "it is of ESM-2"],
  ["esm2", "inference_config.format", "it is of scdl infer esm2 and scdl infer geneformer"],
] as const)("%s has no %s", (model, key, message) => {
  expect(() => loadRunConfig({ model, overrides: { ...NEEDED[model], [key]: "1" } })).toThrow(
    message,
  );
});

test("fine-tuning asks for its data and refuses what its model cannot", () => {
  const load = (model: RunModel, overrides: Record<string, unknown>) => () =>
    loadRunConfig({ model, overrides });
  expect(load("esm2-finetune", {})).toThrow("data_config.train_data_path must be given");
  expect(load("geneformer-finetune", { "data_config.data_dir": "d" })).toThrow(
    "data_config.label_column must be given",
  );
  expect(load("esm2-infer", {})).toThrow("bionemo_model_config.initial_ckpt_path must be given");
  const other = { ...INFERENCE, "inference_config.outputs": ["hiddens"] };
  expect(load("geneformer-infer", other)).toThrow("there is no output hiddens");
  const tokens = { "data_config.task_type": "token-classification" };
  expect(load("geneformer-finetune", { ...NEEDED["geneformer-finetune"], ...tokens })).toThrow(
    "a cell has one label",
  );
});

test.each([
  ["2", { batches: 2 }],
  [2, { batches: 2 }],
  ["1.0", { share: 1 }],
  [0.25, { share: 0.25 }],
  ["0.0", { batches: 0 }],
  ["None", null],
  [null, null],
])("limit_val_batches %j", (given, expected) => {
  expect(readField(limit(null), "limit", given)).toEqual(expected);
});

test.each([["1.5"], [-1], ["many"], [{ share: 1, batches: 2 }], ["-0.5"]])(
  "limit_val_batches %j is refused",
  (given) => {
    expect(() => readField(limit(null), "limit", given)).toThrow("a number of batches or a share");
  },
);

test.each([
  ["a.b=c", ["a.b", "c"]],
  ["a.b=1.0", ["a.b", "1.0"]],
  ["a.b=", ["a.b", ""]],
  ["a.b=x=y", ["a.b", "x=y"]],
  ["a.b=null", ["a.b", null]],
  ["a.b=[x, y]", ["a.b", ["x", "y"]]],
  ["a.b='007'", ["a.b", "007"]],
  ["a.b=x[0..2].fasta", ["a.b", "x[0..2].fasta"]],
])("--set %s", (setting, expected) => {
  expect(parseSetting(setting)).toEqual(expected);
});

test.each(["a.b", "=1", "a b=1", "a=[1"])("--set %s is refused or text", (setting) => {
  if (setting === "a=[1") expect(parseSetting(setting)).toEqual(["a", "[1"]);
  else expect(() => parseSetting(setting)).toThrow("expected KEY=VALUE");
});

test("ranges of files are written out; what is there, and shards, stay one path", () => {
  const folder = mkdtempSync(join(tmpdir(), "scdl-paths-"));
  const literal = join(folder, "x[0..1].fasta");
  writeFileSync(literal, "");
  expect(expandPaths(literal)).toEqual([literal]);
  rmSync(folder, { recursive: true });
  expect(expandPaths(literal)).toEqual([join(folder, "x0.fasta"), join(folder, "x1.fasta")]);
  expect(expandPaths(["a_OP_08..10_CL_.h5ad", "b.fasta", "c(x,y)"])).toEqual([
    ...["a08.h5ad", "a09.h5ad", "a10.h5ad", "b.fasta", "cx", "cy"],
  ]);
  expect(expandPaths("x-[00..11].tar.gz")).toEqual(["x-{00..11}.tar.gz"]);
  expect(expandPaths("plain (copy).fasta")).toEqual(["plain (copy).fasta"]);
});

const load = (overrides: Record<string, unknown>, options: Partial<RunConfigOptions> = {}) =>
  loadRunConfig({ model: "esm2", overrides, ...options });

test.each([
  [{ "training_config.max_steps": 0 }, "training_config.max_steps: expected a whole number of 1"],
  [
    {
      "data_config.data": "a",
      "data_config.train_cluster_path": "b",
      "data_config.train_database_path": "c",
    },
    "data_config.data and data_config.train_cluster_path",
  ],
  [
    { "data_config.train_cluster_path": "b" },
    "train_cluster_path needs data_config.train_database_path",
  ],
  [
    { "data_config.valid_data": "a", "data_config.valid_share": 0.5 },
    "valid_data and data_config.valid_share",
  ],
  [
    { "training_config.max_steps": 5, "training_config.early_stop_on_step": 6 },
    "early_stop_on_step 6 is larger than training_config.max_steps 5",
  ],
  [
    {
      "bionemo_model_config.initial_ckpt_path": "a",
      "experiment_config.restore_from_checkpoint_path": "b",
    },
    "initial_ckpt_path a is not experiment_config.restore_from_checkpoint_path b",
  ],
  [
    {
      "optim_config.lr_scheduler": "cosine",
      "optim_config.cosine_rampup_frac": 0.6,
      "optim_config.cosine_hold_frac": 0.6,
    },
    "more than training_config.max_steps",
  ],
  [
    { "optim_config.max_steps": 9, "optim_config.warmup_steps": 10 },
    "warmup_steps 10 leaves no step of optim_config.max_steps 9",
  ],
  [{ "data_config.valid_share": 1.5 }, "a number from 0 to 1"],
  [{ "bionemo_model_config.qk_layernorm": true }, "qk_layernorm true is not supported"],
  [{ "bionemo_model_config.activation_func": "relu" }, "ESM-2 has gelu"],
  [{ "bionemo_model_config.kv_channels": 7 }, "kv_channels 7 is not supported"],
  [{ "bionemo_model_config.nemo1_ckpt_path": "x.nemo" }, "NeMo checkpoints are not read"],
  [{ "training_config.precision": "64" }, "training_config.precision: expected 32 or bf16-mixed"],
  [{ "training_config.device": "gpu" }, "device gpu: there is no such"],
  [{ "data_config.data_dir": "x" }, "it is of Geneformer"],
  [{ "optim_config.betas": 1 }, "unknown key optim_config.betas"],
])("%j is refused", (overrides, message) => {
  expect(() => load(overrides)).toThrow(message);
});

test("errors call a value what the user called it", () => {
  const names = { "optim_config.warmup_steps": "--warmup-steps" };
  const short = { "optim_config.warmup_steps": 10, "training_config.max_steps": 9 };
  expect(() => load(short, { names })).toThrow(
    "--warmup-steps 10 leaves no step of training_config.max_steps 9",
  );
});

test("schedules: BioNeMo's two, and a constant", () => {
  const at = (overrides: Record<string, unknown>, steps: readonly number[]) =>
    steps.map(
      scheduleOf(load({ "training_config.max_steps": 100, "optim_config.lr": 1, ...overrides })),
    );
  expect(at({}, [0, 5, 10, 55, 99])).toEqual([0, 0.5, 1, 0.5, 0.1]);
  expect(at({ "optim_config.min_lr": 0.1 }, [0])).toEqual([0.1]);
  const cosine = at({ "optim_config.lr_scheduler": "cosine" }, [0, 1, 48, 95, 99]);
  expect(cosine.map((rate) => Number(rate.toFixed(6)))).toEqual([0, 1, 0.505, 0.01, 0.01]);
  expect(at({ "optim_config.lr_scheduler": "constant" }, [0, 5, 10, 99])).toEqual([0, 0.5, 1, 1]);
});
