/** A run's configuration: defaults, a YAML or JSON file over them, command line values over both. */
import { parseDocument, stringify } from "yaml";
import { closest } from "../../../formats/common/did-you-mean.ts";
import {
  FormatError,
  InvalidArgumentError,
  UnsupportedFeatureError,
} from "../../../formats/common/errors.ts";
import { readSmallText } from "../../../formats/scdl/small-files.ts";
import { type Field, readField } from "./field.ts";
import { interpolate } from "./interpolate.ts";
import {
  ESM2_DEFAULTS,
  GENEFORMER_DEFAULTS,
  type RunConfig,
  SECTIONS,
  WITHOUT_MEANING,
} from "./sections.ts";

export interface RunConfigOptions {
  /** Which model's defaults hold. */
  readonly model: "esm2" | "geneformer";
  /** A YAML or JSON file. */
  readonly path?: string;
  /** Values by dotted key, e.g. of flags and `--set a.b=c`; they win over the file. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Default the environment of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly onWarning?: (message: string) => void;
}

/** Taken whole, with a warning. */
const SECTION_WITHOUT_MEANING = "wandb_config";

/**
 * The resolved configuration of a run.
 *
 * @throws NotFoundError, FormatError for a file that is no YAML, InvalidArgumentError that names an
 *   unknown key and the nearest one there is, a wrong value, or values that do not go together,
 *   UnsupportedFeatureError for tensor and pipeline parallel models
 */
export function loadRunConfig(options: RunConfigOptions): RunConfig {
  const { model, path, overrides = {}, env = process.env, onWarning = () => {} } = options;
  const written = new Map<string, unknown>(
    Object.entries(model === "esm2" ? ESM2_DEFAULTS : GENEFORMER_DEFAULTS),
  );
  const given = new Set<string>();
  const take = (key: string, value: unknown): void => {
    if (!isKnown(key, onWarning)) return;
    written.set(key, value);
    given.add(key);
  };
  if (path !== undefined) for (const [key, value] of fileEntries(path, onWarning)) take(key, value);
  for (const [key, value] of Object.entries(overrides)) take(key, value);

  const lookUp = (key: string): unknown =>
    written.has(key) ? written.get(key) : fieldOf(key)?.value;
  const values: Record<string, Record<string, unknown>> = {};
  for (const [section, fields] of Object.entries(SECTIONS)) {
    const resolved: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(fields) as [string, Field<unknown>][]) {
      const key = `${section}.${name}`;
      resolved[name] = written.has(key)
        ? read(field, key, interpolate(key, written.get(key), { env, lookUp }))
        : field.value;
    }
    values[section] = resolved;
  }
  // Every section and field was filled above, by its own reader.
  return checked(values as unknown as RunConfig, given, onWarning);
}

/** A default of null may be written as null. */
function read(field: Field<unknown>, key: string, value: unknown): unknown {
  if (value === "???") {
    throw new InvalidArgumentError(key, value, `${key} must be given`, {
      suggestions: [`write it into the file, or give --set ${key}=VALUE`],
    });
  }
  return value === null && field.value === null ? null : readField(field, key, value);
}

function checked(
  config: RunConfig,
  given: ReadonlySet<string>,
  onWarning: (message: string) => void,
): RunConfig {
  const { data_config, parallel_config, training_config, bionemo_model_config, optim_config } =
    config;
  for (const kind of ["tensor", "pipeline"] as const) {
    const size = parallel_config[`${kind}_model_parallel_size`];
    if (size === 1) continue;
    throw new UnsupportedFeatureError(
      `${kind} parallelism`,
      `parallel_config.${kind}_model_parallel_size is ${size}: models are not divided`,
      { suggestions: ["set it to 1"] },
    );
  }
  const { hidden_size, num_attention_heads } = bionemo_model_config;
  if (hidden_size % num_attention_heads !== 0) {
    const message = `bionemo_model_config.hidden_size ${hidden_size} is not a multiple of num_attention_heads ${num_attention_heads}`;
    throw new InvalidArgumentError("bionemo_model_config.hidden_size", hidden_size, message);
  }
  const min = data_config.min_seq_length ?? data_config.seq_length;
  const max = data_config.max_seq_length ?? data_config.seq_length;
  if (data_config.min_seq_length !== null && min > max) {
    const message = `data_config.min_seq_length ${min} is larger than max_seq_length ${max}`;
    throw new InvalidArgumentError("data_config.min_seq_length", min, message);
  }
  const lastStep = optim_config.max_steps ?? training_config.max_steps;
  if (optim_config.lr_scheduler === "warmup_anneal" && optim_config.warmup_steps >= lastStep) {
    const message = `optim_config.warmup_steps ${optim_config.warmup_steps} leaves no step after the warm-up`;
    throw new InvalidArgumentError("optim_config.warmup_steps", optim_config.warmup_steps, message);
  }
  const { experiment_config } = config;
  const interval = training_config.val_check_interval;
  const saves = experiment_config.save_every_n_steps;
  if (saves !== null && saves !== interval) {
    onWarning(
      `experiment_config.save_every_n_steps is ${saves}; checkpoints are written with the validation, every ${interval} steps`,
    );
  }
  if (given.has("bionemo_model_config.seq_length") && bionemo_model_config.seq_length !== max) {
    onWarning(`bionemo_model_config.seq_length is that of the data, ${max}`);
  }
  return {
    ...config,
    bionemo_model_config: { ...bionemo_model_config, seq_length: max },
    training_config: {
      ...training_config,
      enable_checkpointing:
        training_config.enable_checkpointing && experiment_config.create_checkpoint_callback,
    },
    experiment_config: { ...experiment_config, save_every_n_steps: interval },
  };
}

/** The file that belongs into the run's folder: it gives the same configuration again. */
export function runConfigYaml(config: RunConfig): string {
  return stringify(config);
}

function fileEntries(path: string, onWarning: (message: string) => void): [string, unknown][] {
  const document = parseDocument(readSmallText(path), { prettyErrors: true });
  const [problem] = document.errors;
  if (problem !== undefined) {
    const line = problem.linePos?.[0].line;
    const place = line === undefined ? "" : `line ${line}: `;
    const message = `${place}expected YAML, found ${problem.message.split("\n")[0]}`;
    throw new FormatError("bad-config", message, { path });
  }
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // Aliases without an anchor, and those that would fill the memory.
    throw new FormatError("bad-config", String(error).slice(0, 200), { path, cause: error });
  }
  if (value === null) return []; // an empty file
  if (!isRecord(value)) {
    throw new FormatError("bad-config", "expected sections, e.g. training_config:", { path });
  }
  const entries: [string, unknown][] = [];
  for (const [section, fields] of Object.entries(value)) {
    if (section === SECTION_WITHOUT_MEANING) {
      onWarning(`${section} has no meaning here: runs are not written for Weights & Biases`);
      continue;
    }
    if (!Object.hasOwn(SECTIONS, section)) throw unknownKey(section, Object.keys(SECTIONS));
    if (fields === null) continue;
    if (!isRecord(fields)) {
      throw new InvalidArgumentError(section, fields, `${section}: expected fields below it`);
    }
    for (const [name, field] of Object.entries(fields)) entries.push([`${section}.${name}`, field]);
  }
  return entries;
}

/** False for a key that is taken without meaning. @throws InvalidArgumentError for others */
function isKnown(key: string, onWarning: (message: string) => void): boolean {
  if (fieldOf(key) !== undefined) return true;
  const reason = Object.hasOwn(WITHOUT_MEANING, key) ? WITHOUT_MEANING[key] : undefined;
  if (reason !== undefined) {
    onWarning(`${key} has no meaning here: ${reason}`);
    return false;
  }
  const all = Object.entries(SECTIONS).flatMap(([section, fields]) =>
    Object.keys(fields).map((name) => `${section}.${name}`),
  );
  throw unknownKey(key, all);
}

function fieldOf(key: string): Field<unknown> | undefined {
  const [section = "", name = "", ...rest] = key.split(".");
  if (rest.length > 0 || !Object.hasOwn(SECTIONS, section)) return undefined;
  const fields: Readonly<Record<string, Field<unknown>>> =
    SECTIONS[section as keyof typeof SECTIONS];
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function unknownKey(key: string, known: readonly string[]): InvalidArgumentError {
  const [section = "", name = ""] = key.split(".");
  const near =
    closest(key, known) ?? known.find((one) => one.split(".")[1] === name && name !== "") ?? null;
  const inSection = known.filter((one) => one.startsWith(`${section}.`));
  const suggestions =
    near !== null
      ? [`did you mean ${near}?`]
      : inSection.length > 0
        ? [`${section} has ${inSection.map((one) => one.slice(section.length + 1)).join(", ")}`]
        : [`there is ${Object.keys(SECTIONS).join(", ")}`];
  return new InvalidArgumentError(key, undefined, `unknown key ${key}`, { suggestions });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
