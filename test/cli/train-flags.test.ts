import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import RecipeCommand from "../../cli/commands/recipe.ts";
import TrainEsm2 from "../../cli/commands/train/esm2.ts";
import TrainGeneformer from "../../cli/commands/train/geneformer.ts";
import { ESM2_KEYS, GENEFORMER_KEYS } from "../../cli/train-keys.ts";
import { readField } from "../../src/train/config/field.ts";
import { defaultOf, fieldOf, type RunConfigKey } from "../../src/train/config/sections.ts";

const ORIGINAL: Record<string, Record<string, unknown>> = JSON.parse(
  readFileSync("fixtures/train/original-flags.json", "utf8"),
);
const COMMANDS = {
  esm2: { flags: TrainEsm2.flags, keys: ESM2_KEYS, program: "train_esm2" },
  geneformer: { flags: TrainGeneformer.flags, keys: GENEFORMER_KEYS, program: "train_geneformer" },
} as const;
type Flags = Readonly<Record<string, { default?: unknown; allowNo?: boolean }>>;

function isTaken(flags: Flags, flag: string): boolean {
  const name = flag.replace(/^--/, "");
  return name in flags || flags[name.replace(/^no-/, "")]?.allowNo === true;
}

test.each([
  ["train_esm2", TrainEsm2.flags],
  ["train_geneformer", TrainGeneformer.flags],
  ["bionemo-esm2-train", TrainEsm2.flags],
  ["bionemo-geneformer-train", TrainGeneformer.flags],
  ["bionemo-esm2-recipe", { ...RecipeCommand.flags, dest: {} }],
  ["bionemo-geneformer-recipe", { ...RecipeCommand.flags, dest: {} }],
])("every flag of %s is taken", (program, flags) => {
  const names = Object.keys(ORIGINAL[program] ?? {});
  expect(names.length).toBeGreaterThan(4);
  expect(names.filter((name) => !isTaken(flags as Flags, name))).toEqual([]);
});

test.each(["esm2", "geneformer"] as const)(
  "the defaults that flags of train %s show are those of its configuration",
  (model) => {
    const { keys } = COMMANDS[model];
    const flags: Flags = COMMANDS[model].flags;
    const shown = Object.entries(keys).filter(([flag, key]) => {
      return typeof key === "string" && flags[flag]?.default !== undefined;
    });
    expect(shown.length).toBeGreaterThan(20);
    for (const [flag, key] of shown as [string, RunConfigKey][]) {
      const field = fieldOf(key);
      const value = defaultOf(model, key);
      const isReference = typeof value === "string" && value.startsWith("$");
      expect(field, flag).toBeDefined();
      if (field === undefined || isReference) continue;
      expect(readField(field, key, flags[flag]?.default), flag).toEqual(value);
    }
  },
);

test.each([
  ["esm2", { lr: 4e-4, "weight-decay": 0.01, "val-check-interval": 10_000, "micro-batch-size": 8 }],
  ["geneformer", { lr: 1e-4, "num-steps": 10_000, "seq-length": 2048, "log-every-n-steps": 10 }],
] as const)(
  "the defaults of %s are BioNeMo's but for those that are said to differ",
  (model, some) => {
    const { program } = COMMANDS[model];
    const flags: Flags = COMMANDS[model].flags;
    for (const [flag, value] of Object.entries(some)) expect(flags[flag]?.default).toBe(value);
    const different = Object.entries(ORIGINAL[program] ?? {}).filter(([name, theirs]) => {
      const ours = flags[name.slice(2)]?.default;
      return ours !== undefined && theirs !== null && String(ours) !== String(theirs);
    });
    const expected = [
      "--micro-batch-size",
      "--precision",
      "--random-mask-strategy",
      "--result-dir",
    ];
    const geneformer = ["--log-every-n-steps", "--micro-batch-size", "--precision", "--result-dir"];
    expect(different.map(([name]) => name).sort()).toEqual(
      model === "esm2" ? expected : geneformer,
    );
  },
);
