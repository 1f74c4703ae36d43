import { string as word } from "@oclif/core/args";
import { boolean, integer, string } from "@oclif/core/flags";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { BaseCommand } from "../base-command.ts";
import { oneLine } from "../error-text.ts";
import { outputName } from "../output-name.ts";

const BIONEMO = { helpGroup: "bionemo-esm2-recipe, bionemo-geneformer-recipe" };

/** Their flags, as keys of a configuration. */
const KEYS = {
  "train-cluster-path": "data_config.train_cluster_path",
  "train-database-path": "data_config.train_database_path",
  "valid-cluster-path": "data_config.valid_cluster_path",
  "valid-database-path": "data_config.valid_database_path",
  "data-path": "data_config.data_dir",
  "result-dir": "experiment_config.result_dir",
  "initial-ckpt-path": "bionemo_model_config.initial_ckpt_path",
  "max-steps": "training_config.max_steps",
  "scheduler-max-steps": "optim_config.max_steps",
} as const;

interface RecipeResult {
  readonly recipes?: readonly { readonly name: string; readonly summary: string }[];
  readonly yaml?: string;
  readonly path?: string;
}

export default class RecipeCommand extends BaseCommand {
  static override summary = "Write a configuration to begin with; without a name, list them.";
  static override description =
    "The file goes to stdout, or to --output. Names and flags of BioNeMo's recipe commands are taken, too.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> esm2-8m --output run.yaml --set data_config.data=proteins.fasta",
  ];

  static override args = { name: word({ description: "A recipe, e.g. esm2-8m." }) };
  static override flags = {
    output: string({ aliases: ["dest"], summary: "The file to write. Default: stdout." }),
    overwrite: boolean({ summary: "Replace a file that is there." }),
    set: string({ multiple: true, helpValue: "KEY=VALUE", summary: "Values of its keys." }),
    recipe: string({ ...BIONEMO, summary: "Same as NAME." }),
    "train-cluster-path": string({ ...BIONEMO, summary: "ESM-2: parquet of clusters." }),
    "train-database-path": string({ ...BIONEMO, summary: "ESM-2: SQLite file of proteins." }),
    "valid-cluster-path": string({ ...BIONEMO, summary: "The same for validation." }),
    "valid-database-path": string({ ...BIONEMO, summary: "The same for validation." }),
    "data-path": string({ ...BIONEMO, summary: "Geneformer: folder of train and val." }),
    "result-dir": string({ ...BIONEMO, summary: "Folder of runs." }),
    "initial-ckpt-path": string({ ...BIONEMO, summary: "Weights to begin with." }),
    "max-steps": integer({ ...BIONEMO, min: 1, summary: "Updates." }),
    "scheduler-max-steps": integer({ ...BIONEMO, min: 1, summary: "Updates of the schedule." }),
  };

  async run(): Promise<RecipeResult> {
    const { args, flags } = await this.parse(RecipeCommand);
    const name = args.name ?? flags.recipe;
    if (name === undefined) return this.#list();
    if (flags.recipe !== undefined && flags.recipe !== name) {
      const message = `two recipes were named: ${name} and ${flags.recipe}`;
      throw new InvalidArgumentError("recipe", flags.recipe, message);
    }
    const { recipeYaml } = await import("../../src/train/config/recipe-yaml.ts");
    const { parseSetting } = await import("../../src/train/config/set-values.ts");
    const given = Object.entries(KEYS).map(([flag, key]) => [
      key,
      flags[flag as keyof typeof KEYS], // proof: the names of KEYS
    ]);
    const yaml = recipeYaml(name, {
      ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
      ...Object.fromEntries((flags.set ?? []).map(parseSetting)),
    });
    if (flags.output === undefined) {
      this.log(yaml.trimEnd());
      return { yaml };
    }
    const path = outputName("output", flags.output);
    const { writeAtomically } = await import("../../formats/common/atomic-file.ts");
    const bytes = Buffer.from(yaml, "utf8");
    writeAtomically(path, (file) => file.write(bytes), { overwrite: flags.overwrite });
    this.log(`wrote ${oneLine(path)}`);
    return { yaml, path };
  }

  async #list(): Promise<RecipeResult> {
    const { RECIPES } = await import("../../src/train/config/recipes.ts");
    const width = Math.max(...RECIPES.map(({ name }) => name.length));
    for (const { name, summary } of RECIPES) this.log(`${name.padEnd(width)}  ${summary}`);
    return { recipes: RECIPES.map(({ name, summary }) => ({ name, summary })) };
  }
}
