import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  FormatError,
  InvalidArgumentError,
  NotFoundError,
  UnsupportedFeatureError,
} from "../../../../formats/common/errors.ts";
import { runConfigYaml } from "../../../../src/train/config/config-file.ts";
import { expandFileRange } from "../../../../src/train/config/file-range.ts";
import { loadRunConfig, type RunConfigOptions } from "../../../../src/train/config/run-config.ts";
import { temporaryDirectory } from "../../../helpers/bundle.ts";

const small = { processors: 2, memory: { bytes: 2 ** 33, owner: "this machine" } };

function load(text: string, options: Partial<RunConfigOptions> = {}) {
  const path = join(temporaryDirectory(), "run.yaml");
  writeFileSync(path, text);
  return loadRunConfig({ model: "esm2", path, ...options });
}

function suggestionsOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof InvalidArgumentError) return error.suggestions.join();
    throw error;
  }
  return "";
}

describe("loadRunConfig", () => {
  test("defaults, the file over them, the command line over both", () => {
    const text =
      "training_config:\n  max_steps: 100\n  val_check_interval: 10\noptim_config: {lr: 4e-4}\n";
    const config = load(text, { overrides: { "optim_config.lr": "1e-3" } });
    expect(config.training_config.max_steps).toBe(100);
    expect(config.optim_config.lr).toBe(1e-3);
    expect(config.optim_config.weight_decay).toBe(0.01);
    expect(config.experiment_config.save_every_n_steps).toBe(10);
    expect(config.bionemo_model_config).toMatchObject({ hidden_dropout: 0, seq_length: 1024 });
    const geneformer = loadRunConfig({ model: "geneformer" });
    expect(geneformer.bionemo_model_config).toMatchObject({
      hidden_dropout: 0.02,
      seq_length: 2048,
    });
  });

  test("JSON is YAML; what is written gives the same again", () => {
    const config = load('{"data_config": {"data": "a.db", "seq_length": 64}}');
    expect(config.data_config.data).toBe("a.db");
    expect(load(runConfigYaml(config, "esm2"))).toEqual(config);
  });

  test("references to other keys and to the environment", () => {
    const text =
      `data_config: {data: '\${oc.env:DATA}/cells', seq_length: '\${oc.env:LENGTH,32}'}\n` +
      `experiment_config: {experiment_name: 'run-\${data_config.seq_length}-\${optim_config.lr}'}\n` +
      `training_config: {max_steps: '\${training_config.val_check_interval}'}\n`;
    const config = load(text, { env: { DATA: "/mnt" } });
    expect(config.data_config).toMatchObject({ data: "/mnt/cells", seq_length: 32 });
    expect(config.experiment_config.experiment_name).toBe("run-32-0.0004");
    expect(config.training_config.max_steps).toBe(10_000);
  });

  test.each([
    [`\${oc.env:NOT_THERE}`, "the environment has no NOT_THERE"],
    [`\${experiment_config.result_dir}`, "in a circle"],
    [`\${a.b}`, "there is no a.b"],
    [`\${now:%Y}`, `\${now:%Y} is not known`],
    [`x\${oc.env:A`, "not closed"],
    ["???", "experiment_config.result_dir must be given"],
  ])("%s is refused", (value, message) => {
    const act = () => load(`experiment_config: {result_dir: '${value}'}`, { env: {} });
    expect(act).toThrow(InvalidArgumentError);
    expect(act).toThrow(message);
  });

  test("an unknown key names the nearest one, in the file and on the command line", () => {
    expect(suggestionsOf(() => load("optim_config: {lrr: 1}"))).toBe(
      "did you mean optim_config.lr?",
    );
    expect(suggestionsOf(() => load("optim_confg: {lr: 1}"))).toBe("did you mean optim_config?");
    const elsewhere = () => load("", { overrides: { "training_config.lr": 1 } });
    expect(suggestionsOf(elsewhere)).toBe("did you mean optim_config.lr?");
    expect(suggestionsOf(() => load("parallel_config: {zzzz: 1}"))).toContain(
      "accumulate_grad_batches",
    );
  });

  test("a key of BioNeMo without meaning here is taken with a warning", () => {
    const warnings: string[] = [];
    const text =
      "parallel_config: {ddp: megatron}\nwandb_config: {project: x}\n" +
      "training_config: {include_perplexity: true, gc_interval: 5, val_check_interval: 5}\n" +
      "experiment_config: {save_every_n_steps: 7}\n";
    load(text, { onWarning: (message) => warnings.push(message) });
    const keys = warnings.map((warning) => warning.split(" ")[0]);
    expect(keys.sort((a = "", b = "") => (a < b ? -1 : 1))).toEqual([
      "experiment_config.save_every_n_steps",
      "training_config.gc_interval",
      "wandb_config:",
    ]);
  });

  test.each([
    ["early_stopping_patience: 2, early_stopping_monitor: val_los", "val_los to end early by"],
    ["early_stopping_patience: 2, early_stopping_monitor: val_spearman", "no metric val_spearman"],
    ["early_stopping_patience: 2, early_stopping_monitor: epoch", 'epoch the best? "auto"'],
    ["early_stopping_monitor: val_accuracy", "ends no run without"],
    [
      "early_stopping_patience: 2, early_stopping_monitor: skipped_steps, precision: 16-mixed",
      "skipped_steps has no best value",
    ],
    ["early_stopping_patience: 2, early_stopping_monitor: loss_scale", "no metric loss_scale"],
    ["early_stopping_patience: 2, limit_val_batches: 0", "nothing is validated"],
    ["early_stopping_patience: 2", "nothing is validated"],
  ])("%s is refused before anything is read", (training, message) => {
    const text = `data_config: {data: a.fasta}\ntraining_config: {${training}}\n`;
    expect(() => load(text)).toThrow(InvalidArgumentError);
    expect(() => load(text)).toThrow(message);
  });

  test("the metrics are those of the task; early stopping follows them", () => {
    const monitor = { "experiment_config.metric_to_monitor_for_checkpoints": "val_spearman" };
    const given = { "data_config.train_data_path": "a.csv", ...monitor };
    const fine = (task: string) =>
      loadRunConfig({
        model: "esm2-finetune",
        overrides: { ...given, "data_config.task_type": task },
      });
    expect(fine("regression").training_config.early_stopping_mode).toBe("auto");
    expect(() => fine("classification")).toThrow("no metric val_spearman to choose checkpoints by");
  });

  test("TF32 on the CPU is a warning, and not in the configuration that is kept", () => {
    const warnings: string[] = [];
    const text = (device: string) =>
      `training_config: {device: ${device}, tf32: true, deterministic: true}\n`;
    const { training_config } = load(text("cpu"), { onWarning: (said) => warnings.push(said) });
    expect(training_config).toMatchObject({ tf32: false, deterministic: true });
    expect(warnings).toEqual(["training_config.tf32: device cpu has no TF32; cuda would take it"]);
    expect(load(text("cuda")).training_config.tf32).toBe(true);
  });

  test.each([
    ["data_config: {micro_batch_size: 0}", "a whole number of 1 or more, found 0"],
    ["data_config: {micro_batch_size: 1.5}", "micro_batch_size"],
    ["optim_config: {lr: fast}", 'a number of 0 or more, found "fast"'],
    ["optim_config: {optimizer: sgd}", "optim_config.optimizer: expected adam"],
    ["training_config: {log_val_ppl: 1}", "true or false"],
    ["training_config: {max_steps: null}", "training_config.max_steps"],
    ["training_config: 7", "expected fields below it"],
    [
      "bionemo_model_config: {hidden_size: 10}",
      "not a multiple of bionemo_model_config.num_attention_heads 20",
    ],
    [
      "data_config: {min_seq_length: 9, max_seq_length: 8}",
      "larger than data_config.max_seq_length 8",
    ],
    [
      "training_config: {max_steps: 5}\noptim_config: {warmup_steps: 5}",
      "no step of training_config.max_steps 5",
    ],
  ])("%s is refused", (text, message) => {
    expect(() => load(text)).toThrow(InvalidArgumentError);
    expect(() => load(text)).toThrow(message);
  });

  test.each([
    ["data_config: {max_seq_length: true}", "data_config.max_seq_length: expected a whole number"],
    ["data_config: {data: a, valid_share: 1}", "data_config.valid_share is 1, expected less"],
    [
      "bionemo_model_config: {hidden_size: 12, num_attention_heads: 4}",
      "bionemo_model_config.hidden_size 12 and bionemo_model_config.num_attention_heads 4 give heads of 3",
    ],
    ["training_config: {device: tpu}", "device tpu: there is no such"],
    ["training_config: {threads: 100000}", "training_config.threads 100000: expected at most 16"],
    [
      "data_config: {micro_batch_size: 2000000000, min_seq_length: null}",
      "data_config.micro_batch_size 2000000000: 2000000000 rows of 3 tokens take at least 42 TiB, this machine has 8.0 GiB",
    ],
    [
      "training_config: {device: cuda}\ndata_config: {micro_batch_size: 200000}",
      "rows of 1024 tokens take at least 1.4 TiB, no device has more than 1.0 TiB",
    ],
    [
      "parallel_config: {accumulate_grad_batches: 2000000000}",
      "parallel_config.accumulate_grad_batches 2000000000: 16000000000 rows",
    ],
    ["data_config: {max_seq_length: 2000000000}", "8 rows of 2000000000 tokens"],
    ["experiment_config: {experiment_name: ''}", 'experiment_config.experiment_name "": expected'],
    ["experiment_config: {experiment_name: ../../n2}", '"../../n2": expected a name of a folder'],
    ["experiment_config: {experiment_name: a/..}", "expected a name"],
    ["experiment_config: {experiment_name: /tmp/a}", "expected a name"],
    ["experiment_config: {experiment_name: .}", "expected a name"],
  ])("%s is refused on a small machine by the key's name", (text, message) => {
    const act = () =>
      load(text, { machine: small, names: { "data_config.min_seq_length": "--min" } });
    expect(act).toThrow(InvalidArgumentError);
    expect(act).toThrow(message);
  });

  test("memory that is too small is told by its owner", () => {
    const machine = { ...small, memory: { bytes: 2 ** 30, owner: "the group of this process" } };
    const text = "data_config: {micro_batch_size: 2000000000}";
    expect(() => load(text, { machine })).toThrow(/, the group of this process has 1\.0 GiB$/);
  });

  test("what a small machine takes, and a name with a folder, is let through", () => {
    const text =
      "experiment_config: {experiment_name: group/run.1}\ntraining_config: {threads: 16}\n";
    expect(load(text, { machine: small }).experiment_config.experiment_name).toBe("group/run.1");
  });

  test("a section is not taken for an unknown key", () => {
    const act = () => load("", { overrides: { optim_config: "3" } });
    expect(act).toThrow("optim_config is a section, expected a key of it");
    expect(suggestionsOf(act)).toBe("e.g. optim_config.lr=VALUE");
  });

  test("a file that is no YAML is to be corrected, not copied again", () => {
    expect(() => load("a: [")).toThrow(
      expect.objectContaining({ suggestions: [expect.stringContaining("scdl recipe")] }),
    );
  });

  test("models are not divided", () => {
    expect(() => load("parallel_config: {tensor_model_parallel_size: 2}")).toThrow(
      UnsupportedFeatureError,
    );
  });

  test.each(["a: [", "- 1", "a: 1\na: 2", "x: *none", "7", "a: !!binary x: y"])(
    "%j is no configuration",
    (text) => {
      expect(() => load(text)).toThrow(FormatError);
    },
  );

  test("a file that is not there, and one cut at any byte, is a typed error or a configuration", () => {
    expect(() => loadRunConfig({ model: "esm2", path: "/none.yaml" })).toThrow(NotFoundError);
    const whole = "training_config:\n  max_steps: 100\noptim_config: {lr: 4e-4}\n";
    for (let length = 1; length < whole.length; length++) {
      try {
        load(whole.slice(0, length));
      } catch (error) {
        const isTyped = error instanceof FormatError || error instanceof InvalidArgumentError;
        expect(isTyped, whole.slice(0, length)).toBe(true);
      }
    }
  });
});

test.each([
  ["x[000..002]", ["x000.csv", "x001.csv", "x002.csv"]],
  ["x_OP_8..10_CL_", ["x8.csv", "x9.csv", "x10.csv"]],
  ["x(000,005).csv", ["x000.csv", "x005.csv"]],
  ["x<a,b>", ["xa.csv", "xb.csv"]],
  ["x", ["x.csv"]],
])("the range %s", (range, names) => {
  expect(expandFileRange(range, ".csv")).toEqual(names);
});
