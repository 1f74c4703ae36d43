/** A recipe as a file with comments. */
import { stringify } from "yaml";
import { closest } from "../../../formats/common/did-you-mean.ts";
import { NotFoundError } from "../../../formats/common/errors.ts";
import { limitNode } from "./config-file.ts";
import { readField } from "./field.ts";
import { RECIPES, type Recipe, type RecipeLine } from "./recipes.ts";
import { ALTERNATIVES, unknownKey } from "./run-config.ts";
import { commandOf, isFieldOf } from "./run-kinds.ts";
import { fieldOf, RUN_CONFIG_KEYS } from "./sections.ts";

/** By its name here or in BioNeMo. @throws NotFoundError naming the nearest one */
export function findRecipe(name: string): Recipe {
  const found = RECIPES.find((recipe) => recipe.name === name || recipe.original === name);
  if (found !== undefined) return found;
  const names = RECIPES.map((recipe) => recipe.name);
  const near = closest(name, names);
  throw new NotFoundError("no-such-recipe", `there is no recipe ${name}`, {
    what: name,
    available: names,
    suggestions: near === null ? [] : [`scdl recipe ${near}`],
  });
}

/**
 * The file of a recipe, with `values` by dotted key in place of its own or added to them.
 * @throws NotFoundError for another name, InvalidArgumentError for a key that the model has not, or a
 *   wrong value
 */
export function recipeYaml(name: string, values: Readonly<Record<string, unknown>> = {}): string {
  const recipe = findRecipe(name);
  const lines = new Map<string, RecipeLine>(Object.entries(recipe.lines));
  for (const [key, value] of Object.entries(values)) {
    const field = fieldOf(key);
    if (field === undefined || !isFieldOf(recipe.model, key)) {
      throw unknownKey(recipe.model, key);
    }
    const isReference = typeof value === "string" && /\$\{|^\?\?\?$/.test(value);
    lines.set(key, { value: isReference ? value : readField(field, key, value) });
  }
  for (const [key, others] of Object.entries(ALTERNATIVES)) {
    const isThere = others.some((other) => lines.has(other));
    if (lines.get(key)?.value === "???" && isThere) lines.delete(key);
  }
  const { model, summary, original } = recipe;
  const text = [`# ${summary}${original === undefined ? "" : `; BioNeMo's ${original}`}`];
  text.push(
    `# ${commandOf(model)} --config FILE, with --set KEY=VALUE for what is to be different`,
  );
  let section = "";
  for (const key of RUN_CONFIG_KEYS) {
    const line = lines.get(key);
    if (line === undefined) continue;
    const [of = "", field = ""] = key.split(".");
    if (of !== section) text.push(`${of}:`);
    section = of;
    const comment = line.note === undefined ? "" : ` # ${line.note}`;
    const value = key.endsWith(".limit_val_batches") ? limitNode(line.value) : line.value;
    text.push(
      `  ${field}: ${stringify(value, { lineWidth: 0, collectionStyle: "flow" }).trim()}${comment}`,
    );
  }
  return `${text.join("\n")}\n`;
}
