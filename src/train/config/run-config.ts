/** A run's configuration: defaults, a YAML or JSON file over them, command line values over both. */
import { closest } from "../../../formats/common/did-you-mean.ts";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { checkRunConfig } from "./check-config.ts";
import { checkMachine, type Machine } from "./check-machine.ts";
import { dottedEntries, readConfigFile } from "./config-file.ts";
import { type Field, readField } from "./field.ts";
import { rememberGiven } from "./given-keys.ts";
import { interpolate } from "./interpolate.ts";
import { commandOf, isFieldOf, networkOf, RUN_MODELS, type RunModel } from "./run-kinds.ts";
import { defaultOf, fieldOf, RUN_CONFIG_KEYS, type RunConfig, SECTIONS } from "./sections.ts";
import {
  isWithoutMeaning,
  KEYS_WITHOUT_MEANING,
  noteWithoutMeaning,
  WANDB_SECTION,
} from "./without-meaning.ts";

export interface RunConfigOptions {
  /** Which defaults hold: those of training a model, or "esm2-finetune", "geneformer-finetune". */
  readonly model: RunModel;
  /** A YAML or JSON file. */
  readonly path?: string;
  /** Values by dotted key, e.g. of flags and `--set a.b=c`; they win over the file. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** What errors call a key that is not of the file: its flag. */
  readonly names?: Readonly<Record<string, string>>;
  /** Default the environment of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly onWarning?: (message: string) => void;
  /** The machine that is to run it. Default: none, it is not asked whether it can. */
  readonly machine?: Machine;
}

/** Where a key that must be given (`???`) is not asked for: something stands in its place. */
export const ALTERNATIVES: Readonly<Record<string, readonly string[]>> = {
  "data_config.data": ["data_config.train_cluster_path", "data_config.data_dir"],
  "data_config.data_dir": ["data_config.data"],
  "bionemo_model_config.initial_ckpt_path": ["experiment_config.restore_from_checkpoint_path"],
  "experiment_config.restore_from_checkpoint_path": ["bionemo_model_config.initial_ckpt_path"],
};

/**
 * The resolved configuration of a run: what was not said is filled in, but for the sizes of a model
 * whose weights are restored.
 *
 * @throws NotFoundError, FormatError for a file that is no YAML, InvalidArgumentError that names an
 *   unknown key and the nearest one there is, a wrong value, or values that do not go together,
 *   UnsupportedFeatureError for several devices, divided models, and models that are not there
 */
export function loadRunConfig(options: RunConfigOptions): RunConfig {
  const { model, path, overrides = {}, env = process.env, onWarning = () => {} } = options;
  const { names = {} } = options;
  const written = new Map<string, unknown>();
  const ofFile = new Set<string>();
  if (path !== undefined) {
    for (const [key, value] of fileEntries(path)) {
      written.set(key, value);
      ofFile.add(key);
    }
  }
  for (const [key, value] of Object.entries(overrides)) {
    written.set(key, value);
    ofFile.delete(key);
  }
  for (const [key, others] of Object.entries(ALTERNATIVES)) {
    const isThere = others.some((other) => (written.get(other) ?? "???") !== "???");
    if (written.get(key) === "???" && isThere) written.delete(key);
  }
  const nameOf = (key: string): string =>
    ofFile.has(key) || !Object.hasOwn(names, key) ? key : (names[key] ?? key);
  const lookUp = (key: string): unknown => {
    if (written.has(key)) return written.get(key);
    const known = RUN_CONFIG_KEYS.find((one) => one === key);
    return known === undefined ? undefined : defaultOf(model, known);
  };
  const resolved = (key: string) => interpolate(nameOf(key), lookUp(key), { env, lookUp });
  for (const key of written.keys()) {
    if (isFieldOf(model, key)) continue;
    if (isWithoutMeaning(key)) noteWithoutMeaning(key, resolved(key), nameOf(key), onWarning);
    else throw unknownKey(model, key);
  }
  const wandb = [...written.keys()].find((key) => key.startsWith(`${WANDB_SECTION}.`));
  if (wandb !== undefined) {
    const name = ofFile.has(wandb) ? WANDB_SECTION : nameOf(wandb);
    onWarning(`${name}: Weights & Biases gets nothing; the run's metrics.jsonl has the metrics`);
  }
  const readSource = (key: string): void => {
    const field = fieldOf(key);
    if (field !== undefined) read(field, key, resolved(key), nameOf(key));
  };
  const values: Record<string, Record<string, unknown>> = {};
  for (const key of RUN_CONFIG_KEYS) {
    const [section = "", name = ""] = key.split(".");
    const field = fieldOf(key);
    values[section] ??= {};
    if (field === undefined) continue;
    const source = written.has(key) ? null : sourceOf(defaultOf(model, key));
    // A wrong value is told of the key that has it, not of one whose default refers to that.
    if (source !== null) readSource(source);
    values[section][name] = read(field, key, resolved(key), nameOf(key));
  }
  // Every section and field was filled above, by its own reader.
  const config = values as unknown as RunConfig;
  const given: ReadonlySet<string> = new Set(written.keys());
  const checked = checkRunConfig(config, { model, nameOf, given, onWarning });
  if (options.machine !== undefined) checkMachine(checked, options.machine, { model, nameOf });
  return rememberGiven(checked, given);
}

/** The key that a default refers to: `${a.b}`. */
function sourceOf(value: unknown): string | null {
  return typeof value === "string" ? (/^\$\{([\w.]+)\}$/.exec(value)?.[1] ?? null) : null;
}

function read(field: Field<unknown>, key: string, value: unknown, name: string): unknown {
  if (value !== "???") return readField(field, key, value, name);
  throw new InvalidArgumentError(key, value, `${name} must be given`, {
    suggestions: [`write it into the file, or give --set ${key}=VALUE`],
  });
}

function fileEntries(path: string): [string, unknown][] {
  const sections = readConfigFile(path);
  for (const section of Object.keys(sections)) {
    if (section === WANDB_SECTION || Object.hasOwn(SECTIONS, section)) continue;
    throw unknownSection(section);
  }
  return dottedEntries(sections);
}

function unknownSection(section: string): InvalidArgumentError {
  const names = Object.keys(SECTIONS);
  const near = closest(section, names);
  return new InvalidArgumentError(section, undefined, `unknown key ${section}`, {
    suggestions: [near === null ? `there is ${names.join(", ")}` : `did you mean ${near}?`],
  });
}

/** The error for a key that a model has not, with the nearest one it has. */
export function unknownKey(model: RunModel, key: string): InvalidArgumentError {
  if (fieldOf(key) !== undefined) {
    const others = RUN_MODELS.filter((other) => isFieldOf(other, key));
    const isOfOtherModel = others.every((other) => networkOf(other) !== networkOf(model));
    const other = networkOf(model) === "esm2" ? "Geneformer" : "ESM-2";
    const of = isOfOtherModel ? other : others.map(commandOf).join(" and ");
    return new InvalidArgumentError(key, undefined, `unknown key ${key}: it is of ${of}`, {
      suggestions: isOfOtherModel ? others.map(commandOf) : ["leave it out"],
    });
  }
  const [section = "", name = ""] = key.split(".");
  if (name === "" && Object.hasOwn(SECTIONS, section)) {
    const first = RUN_CONFIG_KEYS.find(
      (one) => one.startsWith(`${section}.`) && isFieldOf(model, one),
    );
    return new InvalidArgumentError(
      key,
      undefined,
      `${section} is a section, expected a key of it`,
      {
        suggestions: [`e.g. ${first}=VALUE`],
      },
    );
  }
  if (!Object.hasOwn(SECTIONS, section) && section !== WANDB_SECTION && name === "") {
    return unknownSection(section);
  }
  const known: readonly string[] = RUN_CONFIG_KEYS.filter((one) => isFieldOf(model, one));
  const inSection = known.filter((one) => one.startsWith(`${section}.`));
  const near =
    nearestName(name, inSection) ??
    known.find((one) => one.split(".")[1] === name) ??
    nearestName(name, known) ??
    nearestName(name, KEYS_WITHOUT_MEANING);
  const suggestions =
    near !== null
      ? [`did you mean ${near}?`]
      : inSection.length > 0
        ? [`${section} has ${inSection.map((one) => one.slice(section.length + 1)).join(", ")}`]
        : [`there is ${Object.keys(SECTIONS).join(", ")}`];
  return new InvalidArgumentError(key, undefined, `unknown key ${key}`, { suggestions });
}

/** The key whose last part is nearest. */
function nearestName(name: string, keys: readonly string[]): string | null {
  const near = closest(
    name,
    keys.map((key) => key.split(".")[1] ?? ""),
  );
  return near === null ? null : (keys.find((key) => key.endsWith(`.${near}`)) ?? null);
}
